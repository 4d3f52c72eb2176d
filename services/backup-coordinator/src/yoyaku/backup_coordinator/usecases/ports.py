"""What the use cases need from outside."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from yoyaku.backup_coordinator.domain.run import Run, RunKind, Taken


class BackupFailedError(Exception):
    """A backup could not be taken or proven; the text says why, for people, without secrets."""


class RunInProgressError(Exception):
    """A run waits or is being taken already; `run_id` names it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} is under way")
        self.run_id = run_id


class CatalogueTransaction(Protocol):
    """One transaction of the leader. It commits only while this process leads."""

    async def kept_until(self) -> datetime:
        """Up to which moment the schedule was dealt with; held until the commit."""

    async def keep_schedule(self, until: datetime) -> None:
        """Note that the schedule was dealt with up to a moment."""

    async def add_scheduled(self, run: Run) -> bool:
        """Add a run of the schedule; `False` when its moment has one."""

    async def start_oldest(self, now: datetime) -> Run | None:
        """Turn the oldest requested run into a running one, and tell `backup.run.started.v1`."""

    async def complete(self, run: Run, taken: Taken, now: datetime) -> None:
        """Record the end of a run and tell `backup.run.completed.v1`; nothing happens when it is recorded."""

    async def fail(self, run: Run, reason: str, now: datetime) -> None:
        """Record the failure of a run and tell `backup.run.failed.v1`; nothing happens when it has ended."""

    async def running(self) -> Sequence[Run]:
        """Return the runs that are `running`."""

    async def failed_among(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the runs that have failed."""


class LeadersCatalogue(Protocol):
    """The catalogue as the leader writes it."""

    def transaction(self) -> AbstractAsyncContextManager[CatalogueTransaction]:
        """Open a transaction; it commits when the block ends without an exception."""


class Catalogue(Protocol):
    """The catalogue as everyone sees it."""

    async def request(self, kind: RunKind, requested_by: str, traceparent: str | None) -> str:
        """Add a run for the leader to take; return its id. Raises RunInProgressError."""

    async def withdraw(self, run_id: str, reason: str) -> bool:
        """Fail a run that nobody has begun; `False` when somebody has."""

    async def get(self, run_id: str) -> Run | None:
        """Return a run."""

    async def newest(self, limit: int) -> list[Run]:
        """Return runs, the newest first, without those that wait."""


class BaseBackupTool(Protocol):
    """Takes a base backup of the whole cluster."""

    async def take(self, workspace: str) -> None:
        """Write one into the folder `base` of a run's workspace. Raises BackupFailedError; cancelling ends the tool."""


class BackupFiles(Protocol):
    """Where backups lie."""

    def prepare(self, run_id: str) -> str:
        """Make the workspace of a run. Raises BackupFailedError."""

    async def prove(self, run: Run) -> Taken:
        """Read every file back, check it, write the record beside, flush. Raises BackupFailedError."""

    def publish(self, run_id: str) -> None:
        """Give a run its final name; nothing happens when it has it. Raises BackupFailedError."""

    async def discard(self, run_id: str) -> None:
        """Remove what a failed run left."""

    def present(self) -> Sequence[str]:
        """Return the ids of the runs of which there is a folder, finished or not."""
