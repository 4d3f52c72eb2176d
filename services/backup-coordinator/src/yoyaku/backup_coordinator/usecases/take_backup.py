"""Take one backup: from a running run to a proven folder, or to a failure that says why.

Invariant: a run is completed only after every file was read back and compared, and its final name and its row in the
catalogue appear together; what a failed run wrote is removed.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from loguru import logger

from yoyaku.backup_coordinator.domain.run import Run, Taken
from yoyaku.backup_coordinator.usecases.ports import (
    BackupFailedError,
    BackupFiles,
    BaseBackupTool,
    LeadersCatalogue,
)
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.postgres.errors import DatabaseUnavailableError, PostgresError

RETRY_SECONDS: Final = 0.5


class TakeBackup:
    """Takes the backup of a run that the leader has begun."""

    def __init__(
        self,
        catalogue: LeadersCatalogue,
        tool: BaseBackupTool,
        files: BackupFiles,
        now: Callable[[], datetime],
        timeout_seconds: float,
    ) -> None:
        self._catalogue = catalogue
        self._tool = tool
        self._files = files
        self._now = now
        self._timeout_seconds = timeout_seconds

    async def __call__(self, run: Run) -> Taken | None:
        """Take it and record how it ended; `None` when it failed.

        Waits for a catalogue that is away. Raises LeadershipLostError when another process leads: it has failed the
        run, and what was written is removed. Cancelled while it records, it leaves the folder to `AbandonRuns`, which
        asks the catalogue what became of the run.
        """
        try:
            taken = await self._take(run)
        except BackupFailedError as failure:
            await self._failed(run, str(failure))
            return None
        except BaseException:
            await self._files.discard(run.run_id)
            raise
        try:
            await self._record_completed(run, taken)
        except BackupFailedError as failure:
            await self._failed(run, str(failure))
            return None
        except LeadershipLostError:
            await self._files.discard(run.run_id)
            raise
        logger.bind(run_id=run.run_id, size_bytes=taken.size_bytes).info("backup completed")
        return taken

    async def _failed(self, run: Run, reason: str) -> None:
        logger.bind(run_id=run.run_id, reason=reason).error("backup failed")
        await self._files.discard(run.run_id)
        await self._record_failed(run, reason)

    async def _take(self, run: Run) -> Taken:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._tool.take(self._files.prepare(run.run_id))
                return await self._files.prove(run)
        except TimeoutError:
            raise BackupFailedError(f"it took longer than {self._timeout_seconds:.0f} s") from None

    async def _record_completed(self, run: Run, taken: Taken) -> None:
        while True:
            try:
                async with self._catalogue.transaction() as transaction:
                    await transaction.complete(run, taken, self._now())
                    self._files.publish(run.run_id)
                return
            except DatabaseUnavailableError:
                await self._wait_for_catalogue(run)

    async def _record_failed(self, run: Run, reason: str) -> None:
        while True:
            try:
                async with self._catalogue.transaction() as transaction:
                    await transaction.fail(run, reason, self._now())
                return
            except DatabaseUnavailableError:
                await self._wait_for_catalogue(run)

    async def _wait_for_catalogue(self, run: Run) -> None:
        logger.bind(run_id=run.run_id).warning("the backup catalogue is away, its news waits")
        await asyncio.sleep(RETRY_SECONDS)


class AbandonRuns:
    """What a new leader does first: a run that was left `running` has failed, and nothing of a failed run is kept."""

    def __init__(self, catalogue: LeadersCatalogue, files: BackupFiles, now: Callable[[], datetime]) -> None:
        self._catalogue = catalogue
        self._files = files
        self._now = now

    async def __call__(self, reason: str) -> int:
        """Fail them, remove what failed runs left here; return how many were abandoned."""
        present = self._files.present()
        async with self._catalogue.transaction() as transaction:
            abandoned = await transaction.running()
            for run in abandoned:
                await transaction.fail(run, reason, self._now())
            failed = await transaction.failed_among(present)
        for run in abandoned:
            logger.bind(run_id=run.run_id).warning("a backup run was abandoned")
        for run_id in failed:
            await self._files.discard(run_id)
        return len(abandoned)


async def abandon_quietly(abandon: AbandonRuns, reason: str) -> None:
    """Fail the running run at shutdown if the catalogue still takes it; the next leader does it otherwise."""
    try:
        async with asyncio.timeout(5):
            await abandon(reason)
    except (PostgresError, TimeoutError):
        logger.warning("the abandoned backup run is left to the next leader")
