"""A deadline ends what is not committed, and lets a commit finish: on a real database whose commits take their time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.booking.entrypoints.http.edge.deadline import within
from yoyaku.booking.entrypoints.http.problems import Problem
from yoyaku.postgres import connected_pool, transaction
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import single_statement
from yoyaku.testkit.databases import Database

SLOW_COMMIT = """
CREATE TABLE note (id int);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait();
"""


@pytest_asyncio.fixture
async def pool(database: Callable[..., Awaitable[Database]]) -> AsyncIterator[Any]:
    made = await database()
    async with connected_pool(made.admin, application_name="deadline") as pool:
        await pool.execute(SLOW_COMMIT)
        yield pool


async def notes(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM note"))


@pytest.mark.requirement("GW-04")
async def test_a_commit_under_way_is_waited_for(pool: Any) -> None:
    async with within(0.15):
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO note VALUES (1)")
        assert await notes(pool) == 1
        async with single_statement(pool) as connection:
            await connection.execute("INSERT INTO note VALUES (2)")
    assert await notes(pool) == 2


@pytest.mark.requirement("GW-04")
async def test_what_is_not_committed_in_time_is_undone(pool: Any) -> None:
    with pytest.raises(Problem) as raised:
        async with within(0.15), transaction(pool) as connection:
            await connection.execute("INSERT INTO note VALUES (1)")
            await asyncio.sleep(5)
    assert (raised.value.status, raised.value.code) == (503, "deadline-exceeded")
    with pytest.raises(Problem):
        async with within(0.15), transaction(pool, read_only=True) as connection:
            await connection.execute("SELECT pg_sleep(5)")
    assert await notes(pool) == 0


@pytest.mark.requirement("GW-04")
async def test_a_deadline_that_something_swallowed_still_stops_the_commit(pool: Any) -> None:
    async def swallowing(connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO note VALUES (1)")
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return

    with pytest.raises(Problem):
        async with within(0.15), transaction(pool) as connection:
            await swallowing(connection)
    assert await notes(pool) == 0


@pytest.mark.requirement("GW-04")
async def test_other_timeouts_stay_what_they_are() -> None:
    with pytest.raises(TimeoutError):
        async with within(5):
            raise TimeoutError


@pytest.mark.requirement("GW-04")
async def test_work_begun_in_a_request_may_commit_after_it(pool: Any) -> None:
    async def later() -> None:
        await asyncio.sleep(0.1)
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO note VALUES (1)")

    async with within(5):
        task = asyncio.create_task(later())
    await task
    assert await notes(pool) == 1
