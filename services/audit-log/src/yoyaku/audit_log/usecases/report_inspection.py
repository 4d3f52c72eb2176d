"""Verify, keep what was found, and tell it: each finding once, each inspection once."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from yoyaku.audit_log.domain.inspection import Finding
from yoyaku.audit_log.usecases.inspect_log import Inspection, InspectLog, Scope


@dataclass(frozen=True, slots=True)
class Report:
    """An inspection, when it was made (aware UTC), and which of its findings nobody was told of before."""

    inspection: Inspection
    started_at: datetime
    finished_at: datetime
    new_findings: Sequence[Finding]

    @property
    def duration_seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


class Journal(Protocol):
    """One transaction over what verification found; what is told goes through its outbox."""

    async def keep_findings(self, findings: Sequence[Finding], found_at: datetime) -> Sequence[Finding]:
        """Keep findings; return those that were not known before."""

    async def keep_inspection(self, report: Report) -> None:
        """Keep that it was made, and tell `audit.log.verified.v1`."""

    def tell(self, finding: Finding) -> None:
        """Tell `audit.integrity.violated.v1`."""


class Journals(Protocol):
    """Opens the journal; knows when the last inspections were."""

    def transaction(self) -> AbstractAsyncContextManager[Journal]:
        """Open a transaction; it commits when the block ends without an exception."""

    async def last_finished(self, scope: Scope) -> datetime | None:
        """Return when the last inspection of a scope ended; a whole one counts as a rolling one too."""

    async def open_findings(self) -> int:
        """Return how much was wrong at the last whole inspection, or at a later one when that found more."""


class ReportInspection:
    """Verifies and reports."""

    def __init__(self, inspect: InspectLog, journals: Journals, now: Callable[[], datetime]) -> None:
        self._inspect = inspect
        self._journals = journals
        self._now = now

    async def __call__(self, scope: Scope, since: datetime | None = None) -> Report:
        """Verify what `scope` and `since` say. Raises as InspectLog."""
        started_at = self._now()
        inspection = await self._inspect(scope, since)
        finished_at = max(self._now(), started_at)
        async with self._journals.transaction() as journal:
            new = await journal.keep_findings(inspection.findings, finished_at) if inspection.findings else ()
            report = Report(inspection, started_at, finished_at, new)
            await journal.keep_inspection(report)
            for finding in new:
                journal.tell(finding)
        return report


@dataclass(frozen=True, slots=True)
class Timetable:
    """When verification is due on its own."""

    rolling_every: timedelta
    whole_every: timedelta
    rolling_window: timedelta
    """How far back a rolling inspection looks; longer than `rolling_every`, so that nothing slips between two."""


class InspectWhenDue:
    """Verifies on schedule: what was recorded lately often, everything at least once a week."""

    def __init__(
        self, report: ReportInspection, journals: Journals, timetable: Timetable, now: Callable[[], datetime]
    ) -> None:
        self._report = report
        self._journals = journals
        self._timetable = timetable
        self._now = now

    async def __call__(self) -> Report | None:
        """Verify if it is due; None when it is not. Raises as InspectLog."""
        now = self._now()
        whole = await self._journals.last_finished(Scope.WHOLE)
        if whole is None or now - whole >= self._timetable.whole_every:
            return await self._report(Scope.WHOLE)
        rolling = await self._journals.last_finished(Scope.ROLLING)
        if rolling is None or now - rolling >= self._timetable.rolling_every:
            return await self._report(Scope.ROLLING, now - self._timetable.rolling_window)
        return None
