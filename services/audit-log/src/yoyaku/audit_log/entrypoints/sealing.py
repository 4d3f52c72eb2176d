"""Seals, deletes and looks after the archive while this process leads: once an hour, and when somebody asks.

Invariant: one round at a time; a round that fails is told and tried again, and stops nothing else. Losing the lead ends
the term, as everywhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from loguru import logger

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import SegmentError
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, ArchiveError
from yoyaku.audit_log.usecases.delete_segments import DeleteSegments, Deletion
from yoyaku.audit_log.usecases.inspect_archive import InspectArchive
from yoyaku.audit_log.usecases.seal_months import Sealing, SealMonths
from yoyaku.audit_log.usecases.sealed_entries import DamageReports
from yoyaku.audit_log.usecases.store_checkpoints import StoreCheckpoints
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.health import Check, CheckResult, Status
from yoyaku.postgres.errors import PostgresError
from yoyaku.tlog.errors import TlogError

EVERY_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 300.0
CHECKPOINTS_EVERY_SECONDS: Final = 5.0
_FAILURES: Final = (ArchiveError, SegmentError, IncompleteTreeError, TlogError, PostgresError)


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """What one round did, and what ended it early, if anything did."""

    sealing: Sealing = field(default_factory=lambda: Sealing((), (), ()))
    deletion: Deletion = field(default_factory=lambda: Deletion((), ()))
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TermOfSealing:
    """The use cases of one term."""

    seal: SealMonths
    delete: DeleteSegments
    inspect: InspectArchive
    store_checkpoints: StoreCheckpoints
    reports: DamageReports
    keep_checkpoint: Callable[[], Awaitable[object]]
    """Keeps a checkpoint of the newest entries, so that a closed month gets one that covers it."""


class Rounds:
    """What the leader runs; `now` is for those who ask for a round."""

    def __init__(self) -> None:
        self._term: TermOfSealing | None = None
        self._round: asyncio.Task[RoundOutcome] | None = None
        self._problem: str | None = None

    @property
    def leads(self) -> bool:
        """Whether this process can be asked."""
        return self._term is not None

    async def now(self, last: Month | None, wait_seconds: float) -> RoundOutcome | None:
        """Run a round, or wait for the one that is running; None when it is not done within the time.

        Raises LeadershipLostError; only to be called while `leads`.
        """
        if self._round is None:
            self._round = asyncio.create_task(self._run(last))
        running = self._round
        done, _ = await asyncio.wait({running}, timeout=wait_seconds)
        if not done:
            return None
        self._round = None
        return running.result()

    async def keep_sealing(self, term: TermOfSealing, ended: asyncio.Event) -> None:
        """Run a round an hour until `ended`. Raises LeadershipLostError."""
        self._term = term
        try:
            while not ended.is_set():
                outcome = await self.now(None, EVERY_SECONDS)
                self._problem = outcome.problem if outcome else "a round takes longer than an hour"
                await set_within(ended, EVERY_SECONDS if self._problem is None else RETRY_SECONDS)
        finally:
            self._term = None
            if self._round is not None:
                self._round.cancel()
                self._round = None

    async def keep_checkpoints(self, term: TermOfSealing, ended: asyncio.Event) -> None:
        """Write kept checkpoints into the archive as soon as they are kept, until `ended`."""
        archive = Condition(away="checkpoints wait for the archive", back="checkpoints have the archive back")
        while not ended.is_set():
            pause_seconds = CHECKPOINTS_EVERY_SECONDS
            try:
                await term.store_checkpoints()
                archive.is_back()
            except ArchiveDamagedError as damage:
                await self._report(term, damage)
                pause_seconds = EVERY_SECONDS
            except _FAILURES as error:
                pause_seconds = archive.is_away(str(error))
            await set_within(ended, pause_seconds)

    def health_check(self) -> Check:
        """Warn when the last round could not be finished; it is no reason to be unready."""

        async def look() -> CheckResult:
            return CheckResult(Status.WARN if self._problem else Status.PASS, output=self._problem)

        return Check("archive:sealing", look)

    async def _run(self, last: Month | None) -> RoundOutcome:
        term = self._term
        if term is None:
            return RoundOutcome(problem="this process does not lead any more")
        outcome = RoundOutcome()
        try:
            await term.keep_checkpoint()
            outcome = RoundOutcome(await term.seal(last))
            outcome = RoundOutcome(outcome.sealing, await term.delete())
            await term.inspect()
        except LeadershipLostError:
            raise
        except ArchiveDamagedError as damage:
            await self._report(term, damage)
            outcome = RoundOutcome(outcome.sealing, outcome.deletion, str(damage))
        except _FAILURES as error:
            outcome = RoundOutcome(outcome.sealing, outcome.deletion, str(error))
        _tell(outcome)
        return outcome

    async def _report(self, term: TermOfSealing, damage: ArchiveDamagedError) -> None:
        try:
            await term.reports.report_damage(damage)
        except PostgresError as error:
            logger.bind(cause=str(error)).warning("damage to the archive could not be told, to be told later")


def _tell(outcome: RoundOutcome) -> None:
    for segment in outcome.sealing.sealed:
        telemetry.segments.add(1, {"outcome": "sealed"})
        told = logger.bind(month=str(segment.month), entries=segment.entry_count, stored_bytes=segment.stored_bytes)
        told.info("a month of the audit log is sealed")
    for month in outcome.sealing.dropped:
        logger.bind(month=str(month)).info("a sealed month left the database")
    for segment in outcome.deletion.recorded:
        telemetry.segments.add(1, {"outcome": "deleted"})
        logger.bind(month=str(segment.month)).info("a sealed month is deleted after its retention")
    for why in outcome.sealing.waiting:
        logger.bind(why=why).info("a closed month waits")
    if outcome.problem is not None:
        telemetry.segments.add(1, {"outcome": "failed"})
        logger.bind(cause=outcome.problem).error("sealing was interrupted, to be tried again")
