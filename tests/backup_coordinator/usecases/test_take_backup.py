import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Taken, Trigger
from yoyaku.backup_coordinator.usecases import take_backup
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.backup_coordinator.usecases.take_backup import AbandonRuns, TakeBackup
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.postgres.errors import DatabaseUnavailableError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = Run(
    run_id="r",
    kind=RunKind.FULL,
    trigger=Trigger.REQUEST,
    state=RunState.RUNNING,
    requested_by="operator",
    requested_at=NOON,
    started_at=NOON,
)
TAKEN = Taken(directory="r", size_bytes=1, file_count=1, manifest_sha256="0" * 64, record_sha256="1" * 64)


@dataclass
class World:
    """A catalogue, a tool and a folder in memory; `troubles` come one after the other, at the step named."""

    troubles: list[tuple[str, BaseException | None]] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    left_running: list[Run] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.did.append(name)
        if self.troubles and self.troubles[0][0] == name:
            trouble = self.troubles.pop(0)[1]
            if trouble is not None:
                raise trouble

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["World"]:
        self.step("begin")
        yield self
        self.step("commit")

    async def complete(self, run: Run, taken: Taken, now: datetime) -> None:
        self.step("complete")

    async def fail(self, run: Run, reason: str, now: datetime) -> None:
        self.step(f"fail: {reason}")

    async def running(self) -> Sequence[Run]:
        return self.left_running

    async def failed_among(self, run_ids: Sequence[str]) -> Sequence[str]:
        return [run_id for run_id in run_ids if run_id != "good"]

    def prepare(self, run_id: str) -> str:
        self.step("prepare")
        return "workspace"

    async def take(self, workspace: str) -> None:
        self.step("take")
        if "hang" in self.did:
            await asyncio.Event().wait()

    async def prove(self, run: Run) -> Taken:
        self.step("prove")
        return TAKEN

    def publish(self, run_id: str) -> None:
        self.step("publish")

    async def discard(self, run_id: str) -> None:
        self.step(f"discard {run_id}")

    def present(self) -> Sequence[str]:
        return ["r", "older", "good"]


def taking(world: World, timeout_seconds: float = 60) -> TakeBackup:
    return TakeBackup(world, world, world, lambda: NOON, timeout_seconds)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_backup, "RETRY_SECONDS", 0)


@pytest.mark.requirement("BC-04")
async def test_a_backup_is_proven_before_it_is_recorded_and_named_inside_the_transaction() -> None:
    world = World()
    assert await taking(world)(RUN) == TAKEN
    assert world.did == ["prepare", "take", "prove", "begin", "complete", "publish", "commit"]


@pytest.mark.parametrize("step", ["prepare", "take", "prove", "publish"])
@pytest.mark.requirement("BC-06")
async def test_what_fails_is_removed_and_recorded_with_its_reason(step: str) -> None:
    world = World([(step, BackupFailedError("why"))])
    assert await taking(world)(RUN) is None
    assert world.did[-4:] == ["discard r", "begin", "fail: why", "commit"]


@pytest.mark.requirement("BC-06")
async def test_a_catalogue_that_is_away_is_waited_for() -> None:
    world = World([("commit", DatabaseUnavailableError("away")), ("begin", DatabaseUnavailableError("away"))])
    assert await taking(world)(RUN) == TAKEN
    assert world.did.count("begin") == 3
    assert "discard r" not in world.did


@pytest.mark.requirement("BC-06")
async def test_a_failure_waits_for_the_catalogue_too() -> None:
    world = World([("take", BackupFailedError("why")), ("begin", DatabaseUnavailableError("away"))])
    assert await taking(world)(RUN) is None
    assert world.did[-3:] == ["begin", "fail: why", "commit"]


@pytest.mark.requirement("BC-06")
async def test_who_no_longer_leads_removes_what_it_wrote_and_records_nothing() -> None:
    world = World([("begin", LeadershipLostError("coordinator", 1))])
    with pytest.raises(LeadershipLostError):
        await taking(world)(RUN)
    assert world.did[-1] == "discard r"
    assert "complete" not in world.did


@pytest.mark.requirement("BC-06")
async def test_cancelled_while_it_works_it_removes_what_it_wrote() -> None:
    world = World([("prove", asyncio.CancelledError())])
    with pytest.raises(asyncio.CancelledError):
        await taking(world)(RUN)
    assert world.did[-1] == "discard r"


@pytest.mark.requirement("BC-06")
async def test_cancelled_while_it_commits_it_leaves_the_folder_to_who_can_ask_the_catalogue() -> None:
    world = World([("commit", asyncio.CancelledError())])
    with pytest.raises(asyncio.CancelledError):
        await taking(world)(RUN)
    assert "discard r" not in world.did


@pytest.mark.requirement("BC-06")
async def test_a_run_has_a_limit_of_time() -> None:
    world = World(did=["hang"])
    assert await taking(world, timeout_seconds=0.05)(RUN) is None
    assert any(step.startswith("fail: it took longer") for step in world.did)


@pytest.mark.requirement("BC-06")
async def test_abandoned_runs_fail_and_only_what_failed_is_removed() -> None:
    world = World(left_running=[RUN])
    assert await AbandonRuns(world, world, lambda: NOON)("it was killed") == 1  # type: ignore[arg-type]
    assert world.did == ["begin", "fail: it was killed", "commit", "discard r", "discard older"]
