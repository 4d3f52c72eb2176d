"""Whatever a superuser puts in the way of the log's end, or does to its head: a new epoch begins, and it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.epochs import PostgresEpochs, SignedInDatabase
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.adapters.postgres.sealing_reads import PostgresSealingReads
from yoyaku.audit_log.adapters.postgres.standing import PostgresStanding
from yoyaku.audit_log.adapters.postgres.stored_log import PostgresStoredLog
from yoyaku.audit_log.domain.search import Query
from yoyaku.audit_log.usecases.ports import DamagedLogError
from yoyaku.audit_log.usecases.reconcile import Reconcile
from yoyaku.contracts.audit_v1 import IntegrityViolated
from yoyaku.contracts.registry import decode
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.errors import ConstraintViolatedError
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database
from yoyaku.tlog.errors import MalformedTileError

pytestmark = pytest.mark.requirement("AU-01", "AU-02")

Act = Callable[[str], Any]
ZERO = "decode(repeat('00', 32), 'hex')"
EVIL_RECORDED = f"INSERT INTO audit_recorded VALUES ('/evil/1', 1, %d, 'evil-1', {ZERO}, NULL)"
EVIL_ENTRY = """
INSERT INTO audit_entry SELECT %d, recorded_at, epoch, leaf, leaf_hash, event_id, source, number, type, occurred_at,
       actor, subject, correlation_id, result, traceparent, stream, stream_sequence
  FROM audit_entry WHERE position = 0
"""
EVIL_TILE = "INSERT INTO audit_tile SELECT 1, %d, %d, decode(repeat('00', 8192), 'hex')"


@pytest.fixture
def superuser(audit_database: Database) -> Act:
    """Does what only a superuser can, without triggers."""

    async def act(statement: str) -> None:
        connection = await asyncpg.connect(**audit_database.admin.connect_arguments("test"))
        try:
            await connection.execute(f"SET session_replication_role = replica; {statement}")
        finally:
            await connection.close()

    return act


@pytest.fixture
def a_term(pool: Pool, outbox: Outbox, held_lease: Any, begun: Any, subject_keys: Any) -> Any:
    """`async with a_term() as (record, told)` begins a term as the service does; `told` gives the violations."""

    async def told() -> list[IntegrityViolated]:
        rows = await pool.fetch("SELECT type, body FROM outbox_event ORDER BY shard, number")
        events = [decode(row["type"], row["body"]) for row in rows]
        return [event for event in events if isinstance(event, IntegrityViolated)]

    async def ready(lease: Lease) -> Any:
        log = PostgresLog(pool, outbox, lease, subject_keys)
        reconcile = Reconcile(PostgresEpochs(pool, outbox, lease), [SignedInDatabase(pool)], "test")
        try:
            record = await begun(log)
        except (DamagedLogError, MalformedTileError):
            await reconcile.begin_anew()
            record = await begun(log)
        assert (await reconcile()).opened is None
        return record

    @asynccontextmanager
    async def term() -> AsyncIterator[Any]:
        async with held_lease(pool) as lease:
            yield await ready(lease), told

    return term


IN_THE_WAY = {
    "recorded": (EVIL_RECORDED % 303, 304, "audit_recorded has position 303"),
    "entry": (EVIL_ENTRY % 310, 311, "audit_entry has position 310"),
    "tile": (EVIL_TILE % (0, 1), 300, "audit_tile has position 256"),
    "tile above": (EVIL_TILE % (1, 0), 300, "audit_tile"),
    "far away": (EVIL_RECORDED % (2**62) + ";" + (EVIL_RECORDED % 303).replace("evil", "ev"), 304, "position 303"),
    "head went back": ("UPDATE audit_head SET next_position = next_position - 4", 300, "audit_entry has position 296"),
    "first fact known": (
        EVIL_RECORDED % 303 + f"; INSERT INTO audit_recorded VALUES ('/audit-log/epochs', 2, 5000000, 'x', {ZERO})",
        304,
        "audit_recorded has position 303",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
async def test_a_new_epoch_begins_above_what_stands_in_the_way(
    name: str, a_term: Any, superuser: Act, pool: Pool, fact: Callable[..., Any]
) -> None:
    act, first_position, detail = IN_THE_WAY[name]
    async with a_term() as (record, _):
        await record([fact(number) for number in range(300)])
        await superuser(act)
        if name in ("recorded", "tile", "head went back"):
            with pytest.raises(ConstraintViolatedError):
                await record([fact(number) for number in range(300, 600)])
    async with a_term() as (record, told):
        await record([fact(number) for number in range(300, 600)])
        (violation,) = await told()
        assert (violation.kind, violation.position) == ("entry_inserted", first_position)
        assert detail in violation.detail
        rows = await pool.fetch(
            "SELECT position, type FROM audit_entry WHERE epoch > 1 AND position < 2000000 ORDER BY position"
        )
        assert [row["position"] for row in rows] == list(range(first_position, first_position + 301))
        assert rows[0]["type"] == "audit.epoch.opened.v1"
    async with a_term() as (record, told):
        assert (await record([fact(number) for number in range(600, 605)])).placed[0].position == first_position + 301
        assert len(await told()) == 1


HEADS = {
    "gone": ("DELETE FROM audit_head", 300, "the head of the log was gone"),
    "beyond": ("UPDATE audit_head SET next_position = 9223372036854775807", 300, "beyond every entry"),
    "never": ("UPDATE audit_head SET last_recorded_at = 'infinity'", 300, "beyond every entry"),
}


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_that_is_gone_or_absurd_is_made_anew(
    name: str, a_term: Any, superuser: Act, pool: Pool, fact: Callable[..., Any]
) -> None:
    act, first_position, detail = HEADS[name]
    async with a_term() as (record, _):
        await record([fact(number) for number in range(300)])
        await superuser(act)
        if name == "gone":
            with pytest.raises(DamagedLogError):
                await record([fact(300)])
        await OccurredBlocks().keep_up(pool)  # readers live on
        entries = PostgresEntries(pool, lambda address: address.encode(), OccurredBlocks())
        assert (await entries.find(Query(limit=2), 10_000)).next_position == 300
        assert (await PostgresStanding(pool)()).next_position == 300
        assert [one.end_position for one in await PostgresStoredLog(pool).epochs()] == [300]
        assert (await PostgresSealingReads(pool).head_time()).year >= 2026
    async with a_term() as (record, told):
        await record([fact(number) for number in range(300, 305)])
        (violation,) = await told()
        assert (violation.kind, violation.position) == ("entry_inserted", first_position)
        assert detail in violation.detail
    assert await pool.fetchval("SELECT next_position FROM audit_head") == 306
