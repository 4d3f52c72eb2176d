"""Ask for a backup now, and wait until the leader has begun it."""

import asyncio
from collections.abc import Callable
from typing import Final

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError, Catalogue

POLL_SECONDS: Final = 0.1
NOBODY_LEADS: Final = "no coordinator took the request"
NOBODY_WAITS: Final = "who asked did not wait until a coordinator took the request"


class RequestBackup:
    """Puts a request into the catalogue, from where whoever leads takes it."""

    def __init__(
        self,
        catalogue: Catalogue,
        wake_leader: Callable[[], None],
        current_traceparent: Callable[[], str | None],
        wait_seconds: float,
    ) -> None:
        self._catalogue = catalogue
        self._wake_leader = wake_leader
        self._current_traceparent = current_traceparent
        self._wait_seconds = wait_seconds

    async def __call__(self, kind: RunKind, requested_by: str) -> Run:
        """Return the run once it is being taken.

        Raises RunInProgressError when another one is, BackupFailedError when no leader begins it in time. Then, and
        when whoever asked goes away first, it is withdrawn.
        """
        run_id = await self._catalogue.request(kind, requested_by, self._current_traceparent())
        self._wake_leader()
        try:
            return await self._begun(run_id)
        except asyncio.CancelledError:
            await self._catalogue.withdraw(run_id, NOBODY_WAITS)
            raise

    async def _begun(self, run_id: str) -> Run:
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while True:
            run = await self._catalogue.get(run_id)
            if run is not None and run.state is not RunState.REQUESTED:
                return run
            late = asyncio.get_running_loop().time() > deadline
            if late and await self._catalogue.withdraw(run_id, NOBODY_LEADS):
                raise BackupFailedError(NOBODY_LEADS)
            await asyncio.sleep(POLL_SECONDS)
