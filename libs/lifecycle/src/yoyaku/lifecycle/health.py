"""What the processes of services look at to say how they are.

Invariant: a standby is ready: it answers questions, and takes over by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from yoyaku.lifecycle.process import version_of
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.consumer import SubscriptionStatus
from yoyaku.messaging.leadership import Leadership
from yoyaku.messaging.outbox import read_backlog
from yoyaku.observability import health_checks
from yoyaku.observability.health import Check, CheckResult, Health, HealthCheck, Status
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool

LEADING: Final = "leading"
STANDBY: Final = "standby"


def leader_health(
    service: str,
    *,
    package: str,
    pool: Pool,
    broker: ServiceBroker,
    leadership: Leadership,
    consumers: Callable[[], Sequence[SubscriptionStatus]] | None = None,
    more: Sequence[HealthCheck] = (),
) -> Health:
    """Make the three answers of a service of which one process leads; `more` is looked at for readiness, too."""
    connected = health_checks.nats(lambda: broker.is_connected, required=True)
    readiness = [
        health_checks.database(pool),
        at_head(pool, package),
        connected,
        *(consumer_checks(consumers) if consumers else ()),
        backlog(pool),
        role(leadership),
        *more,
    ]
    return Health(
        service,
        version_of(service),
        readiness=readiness,
        startup_checks=[health_checks.database(pool), connected],
    )


def at_head(pool: Pool, package: str) -> Check:
    """Pass when the database is where a package's migrations lead."""
    return health_checks.migrations(lambda: check_head(pool, package))


def backlog(pool: Pool) -> Check:
    """Observe how long the oldest event has waited in the outbox."""

    async def measure() -> tuple[int, float]:
        found = await read_backlog(pool)
        return found.pending, found.oldest_age_seconds

    return health_checks.outbox(measure)


def role(leadership: Leadership) -> Check:
    """Pass; observed is `leading` or `standby`."""

    async def look() -> CheckResult:
        return CheckResult(Status.PASS, STANDBY if leadership.lease is None else LEADING)

    return Check("leadership:role", look)


def consumer_checks(consumers: Callable[[], Sequence[SubscriptionStatus]]) -> list[Check]:
    """Observe how far consumers are behind, and whether any of them waits for something that is away."""

    async def lags() -> Mapping[str, int | None]:
        return {one.consumer: None if one.missing else one.pending or 0 for one in consumers()}

    async def paused() -> CheckResult:
        problems = sorted({one.problem for one in consumers() if one.paused_since is not None and one.problem})
        return CheckResult(Status.WARN if problems else Status.PASS, output="; ".join(problems) or None)

    return [health_checks.consumers(lags), Check("consumers:paused", paused)]
