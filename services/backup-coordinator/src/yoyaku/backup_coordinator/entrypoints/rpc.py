"""Questions in: take a backup now, list the backups. Any replica answers; the leader does the work."""

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError, Catalogue, RunInProgressError
from yoyaku.backup_coordinator.usecases.request_backup import RequestBackup
from yoyaku.contracts.backup_v1 import BackupKind
from yoyaku.contracts.rpc import (
    BackupListReply,
    BackupListRequest,
    BackupRun,
    BackupRunReply,
    BackupRunRequest,
    BackupRunState,
)
from yoyaku.messaging.rpc import RpcFailedError

BUSY = "busy"
UNAVAILABLE = "unavailable"


class OnRun:
    """Answers `rpc.backup-coordinator.run.v1` once the run has begun, with `busy` while another is under way."""

    def __init__(self, request: RequestBackup) -> None:
        self._request = request

    async def __call__(self, request: BackupRunRequest) -> BackupRunReply:
        """Ask the leader for a run."""
        try:
            run = await self._request(RunKind(request.kind.value), request.requested_by)
        except RunInProgressError as busy:
            raise RpcFailedError(BUSY, str(busy)) from busy
        except BackupFailedError as refused:
            raise RpcFailedError(UNAVAILABLE, str(refused)) from refused
        return BackupRunReply(run=to_contract(run))


class OnList:
    """Answers `rpc.backup-coordinator.list.v1`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, request: BackupListRequest) -> BackupListReply:
        """List runs, the newest first."""
        runs = await self._catalogue.newest(request.limit)
        return BackupListReply(runs=tuple(to_contract(run) for run in runs))


def to_contract(run: Run) -> BackupRun:
    """Write a run as others see it: one that waits counts as running, one that never began starts when asked for."""
    state = RunState.RUNNING if run.state is RunState.REQUESTED else run.state
    started_at = run.started_at or run.requested_at
    taken = run.taken
    return BackupRun(
        run_id=run.run_id,
        kind=BackupKind(run.kind.value),
        state=BackupRunState(state.value),
        started_at=started_at,
        finished_at=run.finished_at,
        size_bytes=taken.size_bytes if taken else None,
        file_count=taken.file_count if taken else None,
        duration_seconds=(run.finished_at - started_at).total_seconds() if run.finished_at else None,
        manifest_sha256=taken.manifest_sha256 if taken else None,
        reason=run.reason,
    )
