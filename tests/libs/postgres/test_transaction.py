"""One transaction: commit, rollback, errors by name, and its span."""

import asyncio

import asyncpg
import pytest

from yoyaku.observability.testing import recorded_spans
from yoyaku.observability.tracing import tracer
from yoyaku.postgres import (
    ConstraintViolatedError,
    DatabaseUnavailableError,
    LockTimeoutError,
    SerializationError,
    StatementTimeoutError,
    connected_pool,
    transaction,
)
from yoyaku.postgres.transaction import SPAN_NAME

pytestmark = pytest.mark.postgres


@pytest.fixture
async def pool(cluster):
    owner = cluster.of("alpha_owner", pool_max=2, statement_timeout_seconds=2, lock_timeout_seconds=0.2)
    async with connected_pool(owner, application_name="transactions") as pool:
        await pool.execute("CREATE TABLE notes (id int CONSTRAINT notes_pk PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
        yield pool


async def test_commits_on_return_and_rolls_back_on_any_exception(pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO notes VALUES (1)")
    for exc in (ValueError(), asyncio.CancelledError()):
        with pytest.raises(type(exc)):
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO notes VALUES (2)")
                raise exc
    assert await pool.fetchval("SELECT array_agg(id) FROM notes") == [1]


async def test_an_error_at_commit_is_mapped_too(pool) -> None:
    with pytest.raises(ConstraintViolatedError) as caught:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO notes VALUES (1), (1)")
    assert caught.value.constraint_name == "notes_pk"


async def test_read_only_refuses_writes(pool) -> None:
    with pytest.raises(DatabaseUnavailableError, match="25006"):
        async with transaction(pool, read_only=True) as connection:
            await connection.execute("INSERT INTO notes VALUES (1)")


async def test_no_free_connection_in_time_is_unavailability(pool) -> None:
    async with transaction(pool), transaction(pool):
        with pytest.raises(DatabaseUnavailableError):
            async with transaction(pool, acquire_timeout_seconds=0.05):
                pass
    async with transaction(pool):
        pass


async def test_a_deadline_of_the_callers_own_stays_a_timeout(pool) -> None:
    with pytest.raises(TimeoutError):
        async with transaction(pool) as connection, asyncio.timeout(0.05):
            await connection.execute("SELECT pg_sleep(1)")
    assert await pool.fetchval("SELECT 1") == 1


async def test_server_limits_have_their_names(pool) -> None:
    with pytest.raises(StatementTimeoutError):
        async with transaction(pool) as connection:
            await connection.execute("SET LOCAL statement_timeout = 50")
            await connection.execute("SELECT pg_sleep(1)")
    async with transaction(pool) as holder:
        await holder.execute("LOCK TABLE notes")
        with pytest.raises(LockTimeoutError):
            async with transaction(pool) as connection:
                await connection.execute("SELECT * FROM notes")


async def test_a_lost_race_is_named(pool) -> None:
    await pool.execute("INSERT INTO notes VALUES (1)")
    async with transaction(pool) as first:
        await first.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await first.fetch("SELECT * FROM notes")
        await pool.execute("UPDATE notes SET id = 2")
        with pytest.raises(asyncpg.SerializationError):
            await first.execute("UPDATE notes SET id = 3")
    with pytest.raises(SerializationError):
        async with transaction(pool) as connection:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")


async def test_a_span_inside_a_sampled_trace_and_none_outside(pool) -> None:
    with recorded_spans() as spans:
        async with transaction(pool):
            pass
        assert [span.name for span in spans] == []

        with tracer("test").start_as_current_span("request"):
            async with transaction(pool, read_only=True):
                pass
        assert [span.name for span in spans] == [SPAN_NAME, "request"]
        assert spans[0].parent.span_id == spans[1].context.span_id
        assert spans[0].attributes["db.system.name"] == "postgresql"
