"""A log from before there was a tree, brought to the newest migration and taken over."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.personal_keys import SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.domain.fact import Fact, Origin, headers_as_bytes, unreadable_fact
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.take_over import TakeOver, UnprovenGapError
from yoyaku.audit_log.wiring.service import PACKAGE
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.migrations import read_migrations
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.databases import Database
from yoyaku.testkit.rfc6962 import merkle_tree_hash

LAST_MONTH = datetime.now(UTC) - timedelta(days=35)
COLUMNS = (
    "position", "recorded_at", "event_id", "source", "number", "type", "occurred_at", "actor", "subject",
    "correlation_id", "causation_id", "client_address", "traceparent", "dataschema", "body", "body_sha256",
    "fact_sha256", "headers", "problem", "stream", "stream_sequence",
)  # fmt: skip


def row(position: int, fact: Fact) -> tuple[Any, ...]:
    given = {
        "position": position, "recorded_at": LAST_MONTH + timedelta(days=position),
        "headers": headers_as_bytes(fact.headers) if fact.problem else None,
        "stream": fact.origin.stream, "stream_sequence": fact.origin.sequence,
    }  # fmt: skip
    return tuple(given[name] if name in given else getattr(fact, name) for name in COLUMNS)


@pytest.fixture
def old_facts(fact: Callable[..., Fact]) -> list[Fact]:
    poison = unreadable_fact(origin=Origin("BOOKING", 9), headers={"ce-id": "\x00"}, body=b"\xff", problem="ce-id: odd")
    return [fact(1), fact(2, client_address=None, body=b'{ "a":1}'), poison, *(fact(number) for number in range(3, 10))]


@pytest_asyncio.fixture
async def old_log(
    database: Callable[..., Awaitable[Database]], old_facts: Sequence[Fact]
) -> AsyncIterator[Callable[..., Awaitable[Pool]]]:
    """`await old_log()` makes a database with the first migration, entries, and then all other migrations."""
    empty = await database()
    pools = []

    async def make(*, without: int | None = None) -> Pool:
        owner = await asyncpg.connect(**empty.owner.connect_arguments("test"))
        first, *later = read_migrations(PACKAGE)
        await owner.execute(first.sql_for(empty.service.user))
        for position, fact in enumerate(old_facts):
            if position != without:
                moment = LAST_MONTH + timedelta(days=position)
                await owner.execute("SELECT audit_make_partition($1)", moment)
                await owner.copy_records_to_table("audit_entry", records=[row(position, fact)], columns=COLUMNS)
        for file in later:
            await owner.execute(file.sql_for(empty.service.user))
        await owner.close()
        pool = connected_pool(empty.service, application_name="test")
        pools.append(pool)
        return await pool.__aenter__()

    yield make
    for pool in pools:
        await pool.__aexit__(None, None, None)


@pytest.mark.requirement("AU-01", "AU-02")
async def test_a_log_from_before_is_taken_over_as_it_was(
    old_log: Callable[..., Awaitable[Pool]],
    old_facts: Sequence[Fact],
    outbox: Outbox,
    held_lease: Callable[..., Any],
    personal: Personal,
    subject_keys: SubjectKeys,
    fact: Callable[..., Fact],
    entries_of: Callable[..., Awaitable[Any]],
) -> None:
    pool = await old_log()
    async with held_lease(pool) as lease:
        log = PostgresLog(pool, outbox, lease, subject_keys)
        for _ in range(3):  # killed twice
            tree = GrowingTree()
            await BeginTerm(log, tree, "test")()
            await TakeOver(log, tree, personal).some(3)
        assert await TakeOver(log, tree, personal)() == len(old_facts) - 9
        assert await TakeOver(log, tree, personal)() == 0
        record = RecordFacts(log, tree, personal)
        assert (await record(old_facts)).repeated == len(old_facts)
        assert (await record([fact(1, actor="person/2")])).contradicting == 1
        assert [placed.position for placed in (await record([fact(77)])).placed] == [len(old_facts)]
    entries = (await entries_of(pool))[: len(old_facts)]
    assert [entry["recorded_at"] for entry in entries] == [
        LAST_MONTH + timedelta(days=position) for position in range(len(old_facts))
    ]
    for name in ("source", "number", "event_id", "type", "occurred_at", "subject", "body", "problem"):
        assert [entry[name] for entry in entries] == [getattr(one, name) for one in old_facts]
    assert entries[2]["headers"] == b'{"ce-id":"\\u0000"}'
    leaves = [found["leaf"] for found in await pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")]
    assert tree.committed is not None
    assert tree.committed.tree.root() == merkle_tree_hash(leaves)
    assert await pool.fetchval("SELECT count(*) FROM audit_unproven") == len(old_facts)


async def test_a_log_with_a_gap_is_not_taken_over(
    old_log: Callable[..., Awaitable[Pool]],
    outbox: Outbox,
    held_lease: Callable[..., Any],
    personal: Personal,
    subject_keys: SubjectKeys,
) -> None:
    pool = await old_log(without=4)
    async with held_lease(pool) as lease:
        log, tree = PostgresLog(pool, outbox, lease, subject_keys), GrowingTree()
        await BeginTerm(log, tree, "test")()
        with pytest.raises(UnprovenGapError):
            await TakeOver(log, tree, personal)()
