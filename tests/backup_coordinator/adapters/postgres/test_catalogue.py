from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.backup_coordinator.adapters.postgres.catalogue import PostgresCatalogue, PostgresLeadersCatalogue
from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Taken, Trigger
from yoyaku.backup_coordinator.usecases.ports import RunInProgressError
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TAKEN = Taken(directory="x", size_bytes=5, file_count=2, manifest_sha256="0" * 64, record_sha256="1" * 64)


@pytest.fixture
def catalogue(pool: Pool) -> PostgresCatalogue:
    return PostgresCatalogue(pool, new_event_id)


@pytest_asyncio.fixture
async def leaders(
    pool: Pool, outbox: Outbox, held_lease: Callable[..., Any]
) -> AsyncIterator[PostgresLeadersCatalogue]:
    async with held_lease(pool) as lease:
        yield PostgresLeadersCatalogue(pool, outbox, lease)


async def start(leaders: PostgresLeadersCatalogue) -> Run | None:
    async with leaders.transaction() as transaction:
        return await transaction.start_oldest(NOON)


async def emitted(pool: Pool) -> list[tuple[str, str | None]]:
    rows = await pool.fetch("SELECT type, traceparent FROM outbox_event ORDER BY created_at, number")
    return [(row["type"], row["traceparent"]) for row in rows]


@pytest.mark.requirement("BC-01", "EV-07")
async def test_a_request_becomes_a_run_becomes_a_backup_in_the_trace_of_who_asked(
    catalogue: PostgresCatalogue, leaders: PostgresLeadersCatalogue, pool: Pool
) -> None:
    run_id = await catalogue.request(RunKind.FULL, "operator", TRACEPARENT)
    waiting = await catalogue.get(run_id)
    assert waiting is not None
    assert waiting.state is RunState.REQUESTED
    assert await catalogue.newest(10) == []
    run = await start(leaders)
    assert run is not None
    assert (run.run_id, run.state, run.started_at) == (run_id, RunState.RUNNING, NOON)
    assert await start(leaders) is None
    for _ in range(2):
        async with leaders.transaction() as transaction:
            await transaction.complete(run, TAKEN, NOON)
    async with leaders.transaction() as transaction:
        await transaction.fail(run, "too late", NOON)
    (completed,) = await catalogue.newest(10)
    assert (completed.state, completed.taken, completed.reason) == (RunState.COMPLETED, TAKEN, None)
    assert await emitted(pool) == [
        ("backup.run.started.v1", TRACEPARENT),
        ("backup.run.completed.v1", TRACEPARENT),
    ]


@pytest.mark.requirement("BC-06")
async def test_one_run_at_a_time(catalogue: PostgresCatalogue, leaders: PostgresLeadersCatalogue, pool: Pool) -> None:
    run_id = await catalogue.request(RunKind.FULL, "operator", None)
    with pytest.raises(RunInProgressError) as busy:
        await catalogue.request(RunKind.FULL, "operator", None)
    assert busy.value.run_id == run_id
    await start(leaders)
    with pytest.raises(RunInProgressError) as busy:
        await catalogue.request(RunKind.FULL, "operator", None)
    assert busy.value.run_id == run_id
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "INSERT INTO backup_run (run_id, kind, trigger, state, requested_by, started_at)"
            " VALUES (uuidv7(), 'full', 'request', 'running', 'x', now())"
        )


@pytest.mark.requirement("BC-06")
async def test_only_a_request_that_nobody_took_is_withdrawn(
    catalogue: PostgresCatalogue, leaders: PostgresLeadersCatalogue
) -> None:
    run_id = await catalogue.request(RunKind.FULL, "operator", None)
    assert await catalogue.withdraw(run_id, "nobody")
    assert not await catalogue.withdraw(run_id, "nobody")
    assert await start(leaders) is None
    run_id = await catalogue.request(RunKind.FULL, "operator", None)
    await start(leaders)
    assert not await catalogue.withdraw(run_id, "nobody")


@pytest.mark.requirement("BC-01")
async def test_a_moment_of_the_schedule_has_one_run(leaders: PostgresLeadersCatalogue) -> None:
    def scheduled() -> Run:
        return Run(
            run_id=new_event_id(),
            kind=RunKind.FULL,
            trigger=Trigger.SCHEDULE,
            state=RunState.REQUESTED,
            requested_by="service/backup-coordinator",
            requested_at=NOON,
            scheduled_for=NOON,
        )

    async with leaders.transaction() as transaction:
        assert await transaction.add_scheduled(scheduled())
        assert not await transaction.add_scheduled(scheduled())
        await transaction.keep_schedule(NOON)
    async with leaders.transaction() as transaction:
        assert await transaction.kept_until() == NOON


@pytest.mark.requirement("BC-06")
async def test_who_was_fenced_off_writes_nothing(
    catalogue: PostgresCatalogue,
    leaders: PostgresLeadersCatalogue,
    pool: Pool,
    backup_database: Database,
    held_lease: Callable[..., Any],
) -> None:
    run_id = await catalogue.request(RunKind.FULL, "operator", None)
    admin = await asyncpg.connect(**backup_database.admin.connect_arguments("test"))
    await admin.execute("UPDATE leadership SET expires_at = '-infinity'")
    await admin.close()
    async with held_lease(pool):
        with pytest.raises(LeadershipLostError):
            await start(leaders)
    run = await catalogue.get(run_id)
    assert run is not None
    assert run.state is RunState.REQUESTED
    assert await emitted(pool) == []


@pytest.mark.parametrize("statement", ["DELETE FROM backup_run", "TRUNCATE backup_run", "DELETE FROM backup_schedule"])
@pytest.mark.requirement("BC-06")
async def test_the_service_cannot_forget_a_run(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)
