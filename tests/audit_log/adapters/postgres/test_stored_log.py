"""What a superuser does to the stored log is found, named by position, and told once (AU-03, AU-05)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.postgres.inspections import PostgresInspections
from yoyaku.audit_log.adapters.postgres.kept_checkpoints import KeptCheckpoints
from yoyaku.audit_log.adapters.postgres.stored_log import PostgresStoredLog
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.domain.inspection import Finding, FindingKind
from yoyaku.audit_log.usecases.inspect_log import EpochRange, InspectLog, Scope, Vouched
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.report_inspection import InspectWhenDue, ReportInspection, Timetable
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey

pytestmark = pytest.mark.requirement("AU-03", "AU-05")

COUNT = 600
ORIGIN = "audit.yoyaku/test/1"
KEY = SigningKey.generate(ORIGIN)
TABLES = ("audit_entry", "audit_tile", "audit_checkpoint", "audit_head")

EDIT = """
UPDATE audit_entry SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'person/1', 'person/2'), 'UTF8')
 WHERE position = 300
"""
EDIT_WITH_HASH = f"{EDIT}; UPDATE audit_entry SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE position = 300"
EDIT_WITH_TILE = f"""{EDIT_WITH_HASH};
UPDATE audit_tile SET hashes = overlay(hashes PLACING (SELECT leaf_hash FROM audit_entry WHERE position = 300)
                                       FROM (300 - 256) * 32 + 1)
 WHERE level = 0 AND tile_index = 1
"""
SWAP = """
UPDATE audit_entry SET position = 100000 WHERE position = 10;
UPDATE audit_entry SET position = 10 WHERE position = 20;
UPDATE audit_entry SET position = 20 WHERE position = 100000
"""
INSERT = """
INSERT INTO audit_entry SELECT (jsonb_populate_record(e, '{"position": 600}')).* FROM audit_entry e WHERE position = 5
"""
TRUNCATE = "DELETE FROM audit_entry WHERE position >= 580; UPDATE audit_head SET next_position = 580"

ACTS = {
    "a leaf": (EDIT, FindingKind.ENTRY_EDITED, 300),
    "a leaf and its hash": (EDIT_WITH_HASH, FindingKind.ENTRY_EDITED, 300),
    "a leaf, its hash and its tile": (EDIT_WITH_TILE, FindingKind.CHECKPOINT_FORKED, 0),
    "an entry of the newest is gone": ("DELETE FROM audit_entry WHERE position = 590", FindingKind.ENTRY_MISSING, 590),
    "two changed places": (SWAP, FindingKind.ENTRY_MOVED, 10),
    "one too many": (INSERT, FindingKind.ENTRY_INSERTED, 600),
    "the end is gone": (TRUNCATE, FindingKind.LOG_TRUNCATED, 0),
    "a column": ("UPDATE audit_entry SET actor = 'nobody' WHERE position = 3", FindingKind.COLUMNS_EDITED, 3),
    "a time": (
        "UPDATE audit_entry SET recorded_at = recorded_at - interval '1 second' WHERE position = 599",
        FindingKind.ENTRY_BACK_DATED,
        599,
    ),
    "the signed root": (
        "UPDATE audit_checkpoint SET root = sha256('x')",
        FindingKind.CHECKPOINT_FORKED,
        COUNT - 1,
    ),
    "the signature": (
        "UPDATE audit_checkpoint SET note = replace(note, E'\\n600\\n', E'\\n599\\n')",
        FindingKind.CHECKPOINT_FORKED,
        COUNT - 1,
    ),
}


class Elsewhere:
    """A keeper outside of the database."""

    def __init__(self, *vouched: Vouched) -> None:
        self.vouched = vouched

    async def all_of(self, epoch: EpochRange) -> list[Vouched | Finding]:
        return [one for one in self.vouched if one.epoch == epoch.epoch]


@asynccontextmanager
async def superuser(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**database.admin.connect_arguments("attacker"))
    try:
        await connection.execute("SET session_replication_role = replica")  # no trigger stands in the way
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def recorded(record: RecordFacts, pool: Pool, fact: Callable[..., Any]) -> bytes:
    """Record COUNT facts in two batches and sign them; gives the root."""
    await record([fact(number) for number in range(1, 301)])
    await record([fact(number) for number in range(301, COUNT + 1)])
    root = await PostgresTree(pool).root(1, COUNT)
    note = Checkpoint(ORIGIN, COUNT, root).sign([KEY]).encode().decode()
    await pool.execute("INSERT INTO audit_checkpoint VALUES (1, $1, $2, $3, now())", COUNT, root, note)
    return root


@pytest.fixture
def inspect(pool: Pool) -> Callable[..., Awaitable[list[Finding]]]:
    async def inspected(
        *elsewhere: Vouched, scope: Scope = Scope.WHOLE, since: datetime | None = None
    ) -> list[Finding]:
        keepers = [KeptCheckpoints(pool, lambda _: [KEY.verifier]), Elsewhere(*elsewhere)]
        inspection = await InspectLog(PostgresStoredLog(pool), PostgresTree(pool), keepers)(scope, since)
        return inspection.findings

    return inspected


async def test_every_act_of_a_superuser_is_found(
    recorded: bytes, inspect: Callable[..., Awaitable[list[Finding]]], audit_database: Database
) -> None:
    assert await inspect() == []
    async with superuser(audit_database) as attacker:
        for table in TABLES:
            await attacker.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        for act, (statements, kind, position) in ACTS.items():
            await attacker.execute(statements)
            found = await inspect()
            assert (kind, position) in {(one.kind, one.position) for one in found}, (act, found[:3])
            for table in TABLES:
                await attacker.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
            assert await inspect() == [], act


async def test_a_log_rewritten_whole_with_its_own_key_is_found_by_the_witness(
    recorded: bytes, inspect: Callable[..., Awaitable[list[Finding]]]
) -> None:
    honest = Vouched(1, COUNT, recorded, "the witness")
    assert await inspect(honest) == []
    (forked,) = await inspect(Vouched(1, COUNT - 1, recorded, "the witness"))
    assert (forked.kind, forked.position) == (FindingKind.CHECKPOINT_FORKED, 0)
    assert "the witness" in forked.detail
    (truncated,) = await inspect(Vouched(1, COUNT + 1, recorded, "the witness"))
    assert (truncated.kind, truncated.position) == (FindingKind.LOG_TRUNCATED, COUNT)


async def test_a_rolling_inspection_looks_at_what_was_recorded_lately(
    recorded: bytes,
    record: RecordFacts,
    fact: Callable[..., Any],
    pool: Pool,
    inspect: Callable[..., Awaitable[list[Finding]]],
    audit_database: Database,
) -> None:
    since = await pool.fetchval("SELECT clock_timestamp()")
    await record([fact(number) for number in range(COUNT + 1, COUNT + 11)])
    async with superuser(audit_database) as attacker:
        await attacker.execute("UPDATE audit_entry SET actor = 'nobody' WHERE position IN (3, 603)")
    (found,) = await inspect(scope=Scope.ROLLING, since=since)
    assert found.position == 603
    assert await inspect(scope=Scope.ROLLING, since=datetime.now(UTC) + timedelta(days=1)) == []
    assert {one.position for one in await inspect()} == {3, 603}


async def test_a_finding_is_kept_and_told_once_and_inspections_come_when_they_are_due(
    recorded: bytes, pool: Pool, outbox: Outbox, audit_database: Database
) -> None:
    clock = [datetime.now(UTC)]
    journals = PostgresInspections(pool, outbox)
    inspect = InspectLog(PostgresStoredLog(pool), PostgresTree(pool), [])
    report = ReportInspection(inspect, journals, lambda: clock[0])
    timetable = Timetable(timedelta(hours=1), timedelta(days=7), timedelta(hours=26))
    when_due = InspectWhenDue(report, journals, timetable, lambda: clock[0])

    first = await when_due()
    assert first is not None
    assert first.inspection.scope is Scope.WHOLE
    assert await when_due() is None
    async with superuser(audit_database) as attacker:
        await attacker.execute(EDIT)
    clock[0] += timedelta(hours=1)
    second = await when_due()
    assert second is not None
    assert second.inspection.scope is Scope.ROLLING
    assert [(one.kind, one.position) for one in second.new_findings] == [(FindingKind.ENTRY_EDITED, 300)]
    clock[0] += timedelta(days=7)
    third = await when_due()
    assert third is not None
    assert third.inspection.scope is Scope.WHOLE
    assert len(third.inspection.findings) == 1
    assert third.new_findings == []
    told = [row["type"] for row in await pool.fetch("SELECT type FROM outbox_event ORDER BY created_at, type")]
    assert told.count("audit.integrity.violated.v1") == 1
    assert told.count("audit.log.verified.v1") == 3


async def test_months_that_left_for_the_archive_are_not_missing(
    recorded: bytes, pool: Pool, inspect: Callable[..., Awaitable[list[Finding]]], audit_database: Database
) -> None:
    month = await pool.fetchval(
        "SELECT date_trunc('month', min(recorded_at) AT TIME ZONE 'UTC')::date FROM audit_entry"
    )
    segment = "INSERT INTO audit_segment VALUES (1, $1, 0, $2, 600, sha256('r'), sha256('m'), 1, now())"
    await pool.execute(segment, month, COUNT)
    assert (await PostgresStoredLog(pool).epochs())[0].held_from == 0
    async with superuser(audit_database) as attacker:
        await attacker.execute(f"DROP TABLE audit_entry_{month:%Y_%m}")
    assert (await PostgresStoredLog(pool).epochs())[0].held_from == COUNT
    assert [one for one in await inspect() if one.kind is FindingKind.ENTRY_MISSING] == []


async def test_the_end_of_a_tree_that_was_given_up_is_told_once_not_each_week(
    recorded: bytes, pool: Pool, inspect: Callable[..., Awaitable[list[Finding]]]
) -> None:
    lost = Vouched(1, COUNT + 1, recorded, "the witness")
    assert [one.kind for one in await inspect(lost)] == [FindingKind.LOG_TRUNCATED]
    await pool.execute("INSERT INTO audit_epoch VALUES (2, 'audit.yoyaku/test/2', $1, now())", COUNT)
    assert await inspect(lost) == []
    assert [one.kind for one in await inspect(Vouched(1, 5, recorded, "the witness"), lost)] == [
        FindingKind.CHECKPOINT_FORKED
    ]
