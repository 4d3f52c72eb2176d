"""What the backup coordinator looks at to say how it is."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from yoyaku.messaging.broker import ServiceBroker
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
    directory_problem: Callable[[], str | None],
) -> Health:
    """Make the three answers. A standby is ready: it answers questions."""

    async def directory() -> CheckResult:
        problem = directory_problem()
        return CheckResult(Status.WARN if problem else Status.PASS, output=problem)

    async def role() -> CheckResult:
        return CheckResult(Status.PASS, STANDBY if leadership.lease is None else LEADING)

    async def backlog() -> tuple[int, float]:
        found = await read_backlog(pool)
        return found.pending, found.oldest_age_seconds

    async def at_head() -> None:
        await check_head(pool, package)

    readiness = [
        health_checks.database(pool),
        health_checks.migrations(at_head),
        health_checks.nats(lambda: broker.is_connected, required=True),
        Check("directory:writable", directory, "datastore"),
        health_checks.outbox(backlog),
        Check("leadership:role", role),
    ]
    started = [health_checks.database(pool), health_checks.nats(lambda: broker.is_connected, required=True)]
    return Health(service, version(f"yoyaku-{service}"), readiness=readiness, startup_checks=started)
