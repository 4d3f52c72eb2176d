"""What the detector looks at to say how it is."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Final

from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.consumer import SubscriptionStatus
from yoyaku.messaging.leadership import Leadership
from yoyaku.messaging.outbox import read_backlog
from yoyaku.observability import health_checks
from yoyaku.observability.health import Check, CheckResult, Health, Status
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool

LEADING: Final = "leading"
STANDBY: Final = "standby"


def health_of(
    service: str,
    *,
    package: str,
    pool: Pool,
    broker: ServiceBroker,
    leadership: Leadership,
    consumers: Callable[[], Sequence[SubscriptionStatus]],
) -> Health:
    """Make the three answers. A standby is ready: it takes over by itself."""

    async def lags() -> Mapping[str, int | None]:
        return {one.consumer: None if one.missing else one.pending or 0 for one in consumers()}

    async def paused() -> CheckResult:
        problems = sorted({one.problem for one in consumers() if one.paused_since is not None and one.problem})
        return CheckResult(Status.WARN if problems else Status.PASS, output="; ".join(problems) or None)

    async def role() -> CheckResult:
        return CheckResult(Status.PASS, STANDBY if leadership.lease is None else LEADING)

    async def backlog() -> tuple[int, float]:
        found = await read_backlog(pool)
        return found.pending, found.oldest_age_seconds

    async def at_head() -> None:
        await check_head(pool, package)

    connected = health_checks.nats(lambda: broker.is_connected, required=True)
    readiness = [
        health_checks.database(pool),
        health_checks.migrations(at_head),
        connected,
        health_checks.consumers(lags),
        Check("consumers:paused", paused),
        health_checks.outbox(backlog),
        Check("leadership:role", role),
    ]
    started = [health_checks.database(pool), connected]
    return Health(service, version(f"yoyaku-{service}"), readiness=readiness, startup_checks=started)
