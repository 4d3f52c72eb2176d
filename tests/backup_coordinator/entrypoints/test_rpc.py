from datetime import UTC, datetime, timedelta

import pytest

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Taken, Trigger
from yoyaku.backup_coordinator.entrypoints.rpc import OnRun, to_contract
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError, RunInProgressError
from yoyaku.contracts.rpc import BackupRunRequest, BackupRunState
from yoyaku.messaging.rpc import RpcFailedError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAKEN = Taken(directory="r", size_bytes=5, file_count=2, manifest_sha256="0" * 64, record_sha256="1" * 64)


def run(state: RunState, **changes: object) -> Run:
    given: dict[str, object] = {"requested_at": NOON - timedelta(seconds=1), "started_at": NOON}
    return Run(
        run_id="r",
        kind=RunKind.FULL,
        trigger=Trigger.REQUEST,
        state=state,
        requested_by="operator",
        **(given | changes),  # type: ignore[arg-type]
    )


@pytest.mark.requirement("BC-01")
def test_a_completed_run_tells_all_of_it() -> None:
    told = to_contract(run(RunState.COMPLETED, finished_at=NOON + timedelta(seconds=3), taken=TAKEN))
    assert (told.state, told.duration_seconds) == (BackupRunState.COMPLETED, 3.0)
    assert (told.size_bytes, told.file_count, told.manifest_sha256) == (5, 2, "0" * 64)


@pytest.mark.requirement("BC-06")
def test_a_failed_run_tells_why() -> None:
    told = to_contract(run(RunState.FAILED, finished_at=NOON, reason="why"))
    assert (told.state, told.reason, told.size_bytes) == (BackupRunState.FAILED, "why", None)


def test_a_run_that_never_began_starts_when_it_was_asked_for() -> None:
    told = to_contract(run(RunState.FAILED, started_at=None, finished_at=NOON, reason="nobody"))
    assert told.started_at == NOON - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("raised", "code"), [(RunInProgressError("r"), "busy"), (BackupFailedError("nobody"), "unavailable")]
)
@pytest.mark.requirement("BC-06")
async def test_what_cannot_be_begun_is_an_error_with_a_code(raised: Exception, code: str) -> None:
    async def refuse(kind: RunKind, requested_by: str) -> Run:
        raise raised

    with pytest.raises(RpcFailedError) as failed:
        await OnRun(refuse)(BackupRunRequest(requested_by="operator"))  # type: ignore[arg-type]
    assert failed.value.code == code
