"""Add a run for the moment of the schedule that is due, once, whoever leads."""

from collections.abc import Callable
from datetime import datetime

from loguru import logger

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Trigger
from yoyaku.backup_coordinator.domain.schedule import NextFire, decide
from yoyaku.backup_coordinator.usecases.ports import LeadersCatalogue

ACTOR = "service/backup-coordinator"


class FollowSchedule:
    """Looks at the clock and at what was dealt with."""

    def __init__(
        self,
        catalogue: LeadersCatalogue,
        next_fire: NextFire,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        begin_trace: Callable[[], str | None],
    ) -> None:
        self._catalogue = catalogue
        self._next_fire = next_fire
        self._new_id = new_id
        self._now = now
        self._begin_trace = begin_trace

    async def __call__(self) -> Run | None:
        """Add the run that is due, catching up after downtime; `None` when none is or it is there."""
        now = self._now()
        async with self._catalogue.transaction() as transaction:
            decided = decide(await transaction.kept_until(), now, self._next_fire)
            if decided.due is None:
                return None
            run = Run(
                run_id=self._new_id(),
                kind=RunKind.FULL,
                trigger=Trigger.SCHEDULE,
                state=RunState.REQUESTED,
                requested_by=ACTOR,
                requested_at=now,
                scheduled_for=decided.due,
                traceparent=self._begin_trace(),
            )
            added = await transaction.add_scheduled(run)
            await transaction.keep_schedule(decided.due)
        if not added:
            return None
        logger.bind(run_id=run.run_id, scheduled_for=decided.due.isoformat()).info("a scheduled backup is due")
        return run
