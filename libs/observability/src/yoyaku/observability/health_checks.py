"""The checks every service has in common. They take callables, so that this package knows no database and no bus."""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from yoyaku.observability.health import CONSUMER_WARN_LAG, OUTBOX_WARN_AGE_SECONDS, Check, CheckResult, Status


class Pool(Protocol):
    """What the database check needs of a connection pool."""

    async def fetchval(self, query: str, /, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - asyncpg's signature
        """Run a query and return its first value."""
        ...


def database(pool: Pool) -> Check:
    """Pass when the database answers a query; observed is the time it took in milliseconds."""

    async def look() -> CheckResult:
        started = time.perf_counter()
        await pool.fetchval("SELECT 1", timeout=1.5)
        return CheckResult(Status.PASS, round((time.perf_counter() - started) * 1000, 2), "ms")

    return Check("database:responseTime", look, "datastore")


def nats(connected: Callable[[], bool | Awaitable[bool]], *, required: bool = False) -> Check:
    """Pass while the bus is connected; otherwise fail when the service cannot work without it, else warn."""

    async def look() -> CheckResult:
        answer = connected()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return CheckResult(Status.PASS, observed=True)
        return CheckResult(Status.FAIL if required else Status.WARN, observed=False, output="not connected")

    return Check("nats:connected", look)


def consumers(
    lags: Callable[[], Awaitable[Mapping[str, int | None]]],
    *,
    warn_above: int = CONSUMER_WARN_LAG,
    required: bool = False,
) -> Check:
    """Observe the largest number of waiting messages; `None` for a consumer that is missing on the server.

    A missing consumer or an unanswered question is fail when `required`, else warn; a large lag is warn.
    """

    async def look() -> CheckResult:
        bad = Status.FAIL if required else Status.WARN
        try:
            found = await lags()
        except Exception as exc:  # noqa: BLE001 - the bus being away is a finding
            return CheckResult(bad, output=f"{type(exc).__name__}: {exc}")
        missing = sorted(name for name, lag in found.items() if lag is None)
        if missing:
            return CheckResult(bad, output=f"missing: {', '.join(missing)}")
        largest = max((lag for lag in found.values() if lag is not None), default=0)
        behind = sorted(name for name, lag in found.items() if (lag or 0) > warn_above)
        if behind:
            return CheckResult(Status.WARN, largest, "messages", f"behind: {', '.join(behind)}")
        return CheckResult(Status.PASS, largest, "messages")

    return Check("consumers:lag", look)


def outbox(
    measure: Callable[[], Awaitable[tuple[int, float]]], *, warn_age_seconds: float = OUTBOX_WARN_AGE_SECONDS
) -> Check:
    """Observe the age in seconds of the oldest unpublished event; `measure` returns (pending events, that age)."""

    async def look() -> CheckResult:
        pending, age_seconds = await measure()
        if pending and age_seconds > warn_age_seconds:
            return CheckResult(Status.WARN, round(age_seconds, 3), "s", f"{pending} events wait")
        return CheckResult(Status.PASS, round(age_seconds, 3) if pending else 0.0, "s")

    return Check("outbox:oldestAge", look)


def migrations(check: Callable[[], Awaitable[None]]) -> Check:
    """Pass when the given coroutine function (`check_head`) returns."""

    async def look() -> CheckResult:
        await check()
        return CheckResult(Status.PASS)

    return Check("migrations:atHead", look, "datastore")


def condition(name: str, holds: Callable[[], bool], *, otherwise: str, required: bool = True) -> Check:
    """Pass while a condition of the service's own holds, e.g. that blocks have been loaded."""

    async def look() -> CheckResult:
        if holds():
            return CheckResult(Status.PASS, observed=True)
        return CheckResult(Status.FAIL if required else Status.WARN, observed=False, output=otherwise)

    return Check(name, look)
