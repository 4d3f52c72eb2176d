import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Trigger
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.backup_coordinator.usecases.request_backup import NOBODY_LEADS, RequestBackup

WAITING = Run(
    run_id="r",
    kind=RunKind.FULL,
    trigger=Trigger.REQUEST,
    state=RunState.REQUESTED,
    requested_by="operator",
    requested_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
)


class OneRequest:
    """A catalogue with one request, begun after so many looks."""

    def __init__(self, begun_after: int) -> None:
        self.looks_left = begun_after
        self.withdrawn: list[str] = []
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    async def request(self, kind: RunKind, requested_by: str, traceparent: str | None) -> str:
        assert traceparent == "trace"
        return "r"

    async def get(self, run_id: str) -> Run:
        self.looks_left -= 1
        return replace(WAITING, state=RunState.RUNNING) if self.looks_left < 0 else WAITING

    async def withdraw(self, run_id: str, reason: str) -> bool:
        self.withdrawn.append(reason)
        return True


def requesting(catalogue: OneRequest, wait_seconds: float) -> RequestBackup:
    return RequestBackup(catalogue, catalogue.wake, lambda: "trace", wait_seconds)  # type: ignore[arg-type]


@pytest.mark.requirement("BC-01")
async def test_the_leader_is_woken_and_waited_for() -> None:
    catalogue = OneRequest(begun_after=2)
    run = await requesting(catalogue, 60)(RunKind.FULL, "operator")
    assert (run.state, catalogue.woken, catalogue.withdrawn) == (RunState.RUNNING, 1, [])


@pytest.mark.requirement("BC-06")
async def test_a_request_that_nobody_takes_is_withdrawn() -> None:
    catalogue = OneRequest(begun_after=1_000_000)
    with pytest.raises(BackupFailedError, match=NOBODY_LEADS):
        await requesting(catalogue, 0.01)(RunKind.FULL, "operator")
    assert catalogue.withdrawn == [NOBODY_LEADS]


@pytest.mark.requirement("BC-06")
async def test_a_request_whose_asker_went_away_is_withdrawn() -> None:
    catalogue = OneRequest(begun_after=1_000_000)
    asking = asyncio.create_task(requesting(catalogue, 60)(RunKind.FULL, "operator"))
    while not catalogue.woken:  # noqa: ASYNC110 - one step of the loop is enough
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert len(catalogue.withdrawn) == 1
