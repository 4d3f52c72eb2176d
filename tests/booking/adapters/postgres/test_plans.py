"""No hot query reads a table that grows from end to end, by the plan for its values nor by the one for any values."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import pytest_asyncio
from loadtests.crowd import Crowd, fill
from loadtests.plans import GROWS, explain_all, grown, sample_of

from yoyaku.testkit.databases import Database

CROWD = Crowd(rooms=200, people=2_000, reservations=50_000)


@pytest_asyncio.fixture
async def crowded(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    factory: Callable[..., Awaitable[Database]] = request.getfixturevalue("database_factory").create
    database = await factory("yoyaku.booking")
    await fill(database.admin, CROWD)
    yield database
    await request.getfixturevalue("database_factory").drop(database)


@pytest.mark.requirement("PF-02")
async def test_no_hot_query_reads_a_growing_table_from_end_to_end(crowded: Database) -> None:
    connection = await asyncpg.connect(**crowded.service.connect_arguments("plans"))
    plans = await explain_all(connection, await sample_of(connection, CROWD))
    scans = {plan.name: grown(plan.sequential_scans) for plan in plans}
    assert len(scans) > 20
    assert {name: tables for name, tables in scans.items() if tables} == {}
    await connection.close()

    owner = await asyncpg.connect(**crowded.owner.connect_arguments("plans"))
    await owner.execute("DROP INDEX reservation_person_start_idx")
    missing = await explain_all(owner, await sample_of(owner, CROWD))
    await owner.close()
    assert {plan.name for plan in missing if grown(plan.sequential_scans)} >= {"own-list"}
    assert {"reservation", "reservation_change", "person"} <= GROWS
