"""No search reads a table that grows from end to end; `loadtests.audit_plans` asks the same at a million entries."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from loadtests.audit_entries import Entries, fill_entries
from loadtests.audit_plans import explain_all

from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.databases import Database

ENTRIES = Entries(20_000, begin=datetime(2026, 11, 1, tzinfo=UTC), days=29)
"""In one month: the planner may well read a month of a few thousand rows from end to end."""


@pytest.mark.requirement("AU-07")
async def test_no_search_reads_a_growing_table_from_end_to_end(
    database: Callable[..., Awaitable[Database]],
) -> None:
    made = await database("yoyaku.audit_log")
    await fill_entries(made.owner, ENTRIES)
    blocks = OccurredBlocks()
    async with connected_pool(made.service, application_name="plans") as pool:
        await blocks.keep_up(pool)
    connection = await asyncpg.connect(**made.service.connect_arguments("plans"))
    try:
        plans = await explain_all(connection, ENTRIES, blocks)
    finally:
        await connection.close()
    assert len({plan.name for plan in plans}) > 20
    scans = {(plan.name, table) for plan in plans for table in plan.sequential_scans if table != "audit_head"}
    assert scans == set()


def test_the_entries_are_spread_over_their_days() -> None:
    assert ENTRIES.recorded_at(ENTRIES.count) - ENTRIES.begin == timedelta(days=ENTRIES.days)
