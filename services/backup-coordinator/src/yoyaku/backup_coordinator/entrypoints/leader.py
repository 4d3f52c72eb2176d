"""What the leading coordinator does: fails what was abandoned, follows the schedule, takes runs one after the other.

Invariant: at most one run is taken at a time, under one lease; each run is one span, in the trace of what asked for it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from loguru import logger
from opentelemetry.trace import Status, StatusCode

from yoyaku.backup_coordinator import telemetry
from yoyaku.backup_coordinator.domain.run import Run
from yoyaku.backup_coordinator.usecases.follow_schedule import FollowSchedule
from yoyaku.backup_coordinator.usecases.ports import LeadersCatalogue
from yoyaku.backup_coordinator.usecases.take_backup import AbandonRuns, TakeBackup, abandon_quietly
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.tracing import context_from, current_traceparent
from yoyaku.postgres.errors import PostgresError

POLL_SECONDS: Final = 1.0
"""How often the clock and the catalogue are looked at: requests to other replicas, a clock that was set, a suspend."""
RETRY_SECONDS: Final = 1.0
ABANDONED: Final = "the coordinator ended in the middle of the run"
STOPPED: Final = "the coordinator was told to stop in the middle of the run"


class Leader:
    """One term of leadership."""

    def __init__(
        self,
        catalogue: LeadersCatalogue,
        follow_schedule: FollowSchedule,
        take: TakeBackup,
        abandon: AbandonRuns,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._follow_schedule = follow_schedule
        self._take = take
        self._abandon = abandon
        self._now = now

    async def run(self, stop: asyncio.Event, woken: asyncio.Event) -> None:
        """Lead until told to stop. Raises LeadershipLostError; waits for a catalogue that is away."""
        await self._abandon_left_behind()
        while not stop.is_set():
            woken.clear()
            try:
                await self._follow_schedule()
                run = await self._start_oldest()
            except PostgresError as error:
                logger.bind(cause=str(error)).warning("the backup catalogue is away")
                await set_within(stop, RETRY_SECONDS)
                continue
            if run is None:
                await _first_of(stop, woken, seconds=POLL_SECONDS)
            elif not await self._take_unless_stopped(run, stop):
                await abandon_quietly(self._abandon, STOPPED)

    async def _abandon_left_behind(self) -> None:
        while True:
            try:
                await self._abandon(ABANDONED)
                return
            except PostgresError as error:
                logger.bind(cause=str(error)).warning("the backup catalogue is away")
                await asyncio.sleep(RETRY_SECONDS)

    async def _start_oldest(self) -> Run | None:
        async with self._catalogue.transaction() as transaction:
            return await transaction.start_oldest(self._now())

    async def _take_unless_stopped(self, run: Run, stop: asyncio.Event) -> bool:
        """Take a run; `False` when it was cut short because the process has to stop."""
        taking = asyncio.create_task(self._take_in_span(run))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                await taking
                return True
            return False
        finally:
            stopping.cancel()
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take_in_span(self, run: Run) -> None:
        started = time.perf_counter()
        with telemetry.TRACER.start_as_current_span(
            telemetry.RUN_SPAN,
            context=context_from(run.traceparent),
            attributes={telemetry.RUN_ID_ATTRIBUTE: run.run_id},
        ) as span:
            taken = await self._take(run)
            if taken is None:
                span.set_status(Status(StatusCode.ERROR, "failed"))
        telemetry.runs.add(1, {"outcome": "failed" if taken is None else "completed"})
        telemetry.run_duration.record(time.perf_counter() - started)
        if taken is not None:
            telemetry.run_size.record(taken.size_bytes)


def begin_trace() -> str | None:
    """Begin the trace of a scheduled run; whatever becomes of the run hangs below this span."""
    with telemetry.TRACER.start_as_current_span(telemetry.SCHEDULE_SPAN):
        return current_traceparent()


async def _first_of(one: asyncio.Event, other: asyncio.Event, *, seconds: float) -> None:
    waiting = {asyncio.create_task(one.wait()), asyncio.create_task(other.wait())}
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
