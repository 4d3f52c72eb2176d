"""What a service says about itself: live, ready and started, as health+json.

Invariant: live depends on nothing outside the process; ready depends on what the service cannot work without; a check
that hangs or raises is a result like any other. Probes that come together share one run of the checks.

Source: draft-inadarei-api-health-check-06.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from yoyaku.observability.redaction import redact_text

MEDIA_TYPE: Final = "application/health+json"
CHECK_TIMEOUT_SECONDS: Final = 2.0
SHARED_FOR_SECONDS: Final = 0.5

OUTBOX_WARN_AGE_SECONDS: Final = 60.0
CONSUMER_WARN_LAG: Final = 10_000


class Status(StrEnum):
    """The three words of the draft; the more serious wins when checks are put together."""

    PASS = "pass"  # noqa: S105
    """All is well."""
    WARN = "warn"
    """Works, but somebody should look: something outside is degraded."""
    FAIL = "fail"
    """Cannot do its work."""


_SERIOUSNESS: Final = (Status.PASS, Status.WARN, Status.FAIL)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found."""

    status: Status
    observed: float | int | str | bool | None = None
    unit: str | None = None
    output: str | None = None
    """Why it is not `pass`; for operators, never for the public."""


class HealthCheck(Protocol):
    """One thing to look at. `name` follows the draft: component, a colon, what is measured."""

    @property
    def name(self) -> str:
        """The key under `checks`."""
        ...

    @property
    def component_type(self) -> str:
        """One of component, datastore, system."""
        ...

    async def run(self) -> CheckResult:
        """Look; may raise."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """A check made of a name and a coroutine function."""

    name: str
    look: Callable[[], Awaitable[CheckResult]]
    component_type: str = "component"

    async def run(self) -> CheckResult:
        """Look; may raise."""
        return await self.look()


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The outcome of one set of checks at one time."""

    status: Status
    service: str
    version: str
    checks: Mapping[str, tuple[CheckResult, str]]
    at: datetime

    @property
    def http_status(self) -> int:
        """200 for pass and warn, 503 for fail."""
        return 503 if self.status is Status.FAIL else 200

    def public(self) -> dict[str, Any]:
        """Return pass or fail and nothing else."""
        return {"status": Status.FAIL if self.status is Status.FAIL else Status.PASS}

    def detailed(self) -> dict[str, Any]:
        """Return everything, for operators."""
        return {
            "status": self.status,
            "version": self.version,
            "serviceId": self.service,
            "checks": {name: [self._entry(*found)] for name, found in self.checks.items()},
        }

    def _entry(self, result: CheckResult, component_type: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"componentType": component_type, "status": result.status, "time": self.at.isoformat()}
        if result.observed is not None:
            entry["observedValue"] = result.observed
        if result.unit is not None:
            entry["observedUnit"] = result.unit
        if result.output is not None and result.status is not Status.PASS:
            entry["output"] = redact_text(result.output)
        return entry


@dataclass
class Health:
    """The three questions a platform asks of a process, each answered by its checks."""

    service: str
    version: str
    liveness: Sequence[HealthCheck] = ()
    readiness: Sequence[HealthCheck] = ()
    startup_checks: Sequence[HealthCheck] = ()
    _started: bool = field(default=False, init=False)
    _draining: bool = field(default=False, init=False)
    _shared: dict[str, tuple[float, "asyncio.Future[HealthReport]"]] = field(default_factory=dict, init=False)

    async def live(self) -> HealthReport:
        """Say whether the process works at all; a failure means: restart it."""
        return await self._asked("live", self.liveness)

    async def ready(self) -> HealthReport:
        """Say whether to send work here; fails from `drain` on."""
        if self._draining:
            leaving = CheckResult(Status.FAIL, output="shutting down")
            return self._report({"process:shutdown": (leaving, "component")})
        return await self._asked("ready", self.readiness)

    async def startup(self) -> HealthReport:
        """Say whether starting is over. Once it has passed it stays passed."""
        if self._started:
            return self._report({})
        report = await self._asked("startup", self.startup_checks)
        self._started = report.status is not Status.FAIL
        return report

    def drain(self) -> None:
        """Be unready from now on: no new work is wanted, what was accepted is finished."""
        self._draining = True

    async def _asked(self, question: str, checks: Sequence[HealthCheck]) -> HealthReport:
        now = time.monotonic()
        asked_at, running = self._shared.get(question, (float("-inf"), None))
        if running is None or (running.done() and now - asked_at > SHARED_FOR_SECONDS):
            running = asyncio.ensure_future(self._run(checks))
            self._shared[question] = (now, running)
        return await asyncio.shield(running)

    async def _run(self, checks: Sequence[HealthCheck]) -> HealthReport:
        results = await asyncio.gather(*(_run_check(check) for check in checks))
        return self._report(
            {check.name: (result, check.component_type) for check, result in zip(checks, results, strict=True)}
        )

    def _report(self, checks: Mapping[str, tuple[CheckResult, str]]) -> HealthReport:
        worst = max((result.status for result, _ in checks.values()), key=_SERIOUSNESS.index, default=Status.PASS)
        return HealthReport(worst, self.service, self.version, checks, datetime.now(UTC))


async def _run_check(check: HealthCheck) -> CheckResult:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check.run()
    except TimeoutError:
        return CheckResult(Status.FAIL, output=f"no answer within {CHECK_TIMEOUT_SECONDS:g} s")
    except Exception as exc:  # noqa: BLE001 - a broken check is the finding
        return CheckResult(Status.FAIL, output=f"{type(exc).__name__}: {exc}")
