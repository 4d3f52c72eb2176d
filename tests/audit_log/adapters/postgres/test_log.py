import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.personal_keys import SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.adapters.postgres.partitions import make_partitions_ahead
from yoyaku.audit_log.adapters.postgres.personal_keys import PostgresUnsealer
from yoyaku.audit_log.domain.fact import Fact, Origin, unreadable_fact
from yoyaku.audit_log.domain.leaf import read_leaf
from yoyaku.audit_log.domain.new_entry import PassedOver
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database

MakeFact = Callable[..., Fact]
EntriesOf = Callable[[Pool], Awaitable[list[Any]]]


@pytest.mark.requirement("AU-01")
async def test_facts_become_entries_in_gap_free_positions_with_growing_times(
    record: RecordFacts, fact: MakeFact, pool: Pool, entries_of: EntriesOf
) -> None:
    await record([fact(number) for number in range(5)])
    await record([fact(number) for number in range(3, 8)])
    await record([fact(0, source="/booking/08", event_id="other")])
    entries = await entries_of(pool)
    assert [entry["position"] for entry in entries] == list(range(9))
    assert [entry["number"] for entry in entries] == [*range(8), 0]
    times = [entry["recorded_at"] for entry in entries]
    assert times == sorted(times)


@pytest.mark.requirement("AU-01")
async def test_all_of_a_fact_is_kept_as_received(
    record: RecordFacts, fact: MakeFact, pool: Pool, subject_keys: SubjectKeys
) -> None:
    body = b'{ "b" : 1,\n"a":"\xe4\xba\x88" }'
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    one = fact(7, body=body, causation_id="cause", traceparent=trace)
    await record([one])
    row = await pool.fetchrow("SELECT * FROM audit_entry")
    assert row is not None
    open_field = await PostgresUnsealer(pool, subject_keys).opener(["person/1"])
    stored = asdict(read_leaf(row["leaf"], None, open_field))
    told = {
        "event_id", "source", "number", "type", "occurred_at", "actor", "subject", "correlation_id", "causation_id",
        "client_address", "dataschema", "body", "problem",
    }  # fmt: skip
    assert {name: stored[name] for name in told} == {name: getattr(one, name) for name in told}
    copies = {"event_id", "source", "number", "type", "occurred_at", "actor", "subject", "correlation_id"}
    assert {name: row[name] for name in copies} == {name: getattr(one, name) for name in copies}
    assert (stored["position"], stored["recorded_at"]) == (row["position"], row["recorded_at"])
    assert (row["stream"], row["stream_sequence"], row["traceparent"]) == ("BOOKING", 8, trace)
    assert row["leaf_hash"] == sha256(b"\0" + row["leaf"]).digest()
    assert (row["epoch"], row["result"], stored["headers"]) == (1, "succeeded", None)


@pytest.mark.requirement("AU-01", "EV-05")
async def test_what_could_not_be_read_is_kept_as_opaque_bytes(record: RecordFacts, pool: Pool) -> None:
    poison = unreadable_fact(
        origin=Origin("BOOKING", 3), headers={"ce-id": "\x00\ud800"}, body=b"\x00\xff", problem="ce-source: missing"
    )
    await record([poison])
    await record([poison])
    row = await pool.fetchrow("SELECT leaf, result FROM audit_entry")
    assert row is not None
    stored = read_leaf(row["leaf"])
    assert (stored.source, stored.number, stored.body) == ("/unreadable/BOOKING", 3, b"\x00\xff")
    assert stored.headers == b'{"ce-id":"\\u0000\\ud800"}'
    assert (stored.problem, row["result"]) == ("ce-source: missing", None)
    assert await pool.fetchval("SELECT count(*) FROM audit_entry") == 1


@pytest.mark.requirement("AU-01")
async def test_a_body_too_large_for_a_leaf_stands_beside(record: RecordFacts, pool: Pool, fact: MakeFact) -> None:
    body = b'{"a":"' + b"x" * 70_000 + b'"}'
    await record([fact(1), fact(2, body=body)])
    row = await pool.fetchrow("SELECT leaf, content FROM audit_entry JOIN audit_body USING (position, recorded_at)")
    assert row is not None
    assert read_leaf(row["leaf"]).body is None
    assert read_leaf(row["leaf"], row["content"]).body == body


@pytest.mark.requirement("AU-04")
async def test_the_number_of_what_is_no_entry_is_noted_once(record: RecordFacts, pool: Pool, fact: MakeFact) -> None:
    checkpoint = PassedOver("/audit-log/01", 4, "audit.checkpoint.signed.v1")
    for facts in ([fact(1)], []):
        await record(facts, [checkpoint])
    rows = await pool.fetch("SELECT source, number, type FROM audit_passed_over")
    assert [PassedOver(*row) for row in rows] == [checkpoint]


@pytest.mark.requirement("AU-01")
async def test_a_contradiction_is_kept_and_told_once_and_the_original_stays(
    record: RecordFacts, fact: MakeFact, pool: Pool, entries_of: EntriesOf
) -> None:
    await record([fact(1, body=b"original", client_address=None)])
    for _ in range(3):
        await record([fact(1, body=b"forged", client_address=None), fact(2)])
    await record([fact(1, body=b"forged again", client_address=None)])
    assert [bytes(entry["body"]) for entry in await entries_of(pool)] == [b"original", b"{}"]
    told = await pool.fetch("SELECT type, convert_from(body, 'UTF8')::jsonb ->> 'kind' AS kind FROM outbox_event")
    assert [tuple(row) for row in told] == [("audit.integrity.violated.v1", "content_changed")] * 2
    evidence = await pool.fetch("SELECT body FROM audit_contradiction ORDER BY found_at")
    assert [bytes(row["body"]) for row in evidence] == [b"forged", b"forged again"]


@pytest.mark.requirement("AU-01")
async def test_each_kind_of_contradiction_is_told(record: RecordFacts, fact: MakeFact, pool: Pool) -> None:
    await record([fact(1)])
    await record([fact(1, event_id="another"), fact(9, event_id="e-1"), fact(1, actor="person/2")])
    told = await pool.fetch("SELECT convert_from(body, 'UTF8')::jsonb ->> 'kind' AS kind FROM outbox_event")
    assert sorted(row["kind"] for row in told) == ["content_changed", "event_id_reused", "number_reused"]
    assert await pool.fetchval("SELECT count(*) FROM audit_entry") == 1


async def test_a_batch_that_fails_leaves_no_trace_and_no_gap(
    log: PostgresLog,
    record: RecordFacts,
    fact: MakeFact,
    pool: Pool,
    entries_of: EntriesOf,
    personal: Personal,
) -> None:
    with pytest.raises(RuntimeError):
        async with log.transaction() as transaction:
            head = await transaction.hold_head()
            await RecordFacts(_Once(transaction), GrowingTree(), personal)([fact(1), fact(2)])
            assert head.next_position == 0
            raise RuntimeError
    await record([fact(3)])
    assert [(entry["position"], entry["number"]) for entry in await entries_of(pool)] == [(0, 3)]


class _Once:
    """A log whose transaction is one that is open already."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def transaction(self) -> "_Once":
        return self

    async def __aenter__(self) -> Any:
        return self._transaction

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.requirement("AU-01")
async def test_many_at_once_still_make_one_gap_free_log(
    record: RecordFacts, fact: MakeFact, pool: Pool, entries_of: EntriesOf
) -> None:
    batches = [[fact(number) for number in range(start, start + 30)] for start in range(0, 200, 10)]
    await asyncio.gather(*(record(batch) for batch in batches))
    entries = await entries_of(pool)
    assert [entry["position"] for entry in entries] == list(range(220))
    assert sorted(entry["number"] for entry in entries) == list(range(220))


@pytest.mark.requirement("AU-01", "BC-06")
async def test_a_leader_that_was_fenced_off_records_nothing(
    pool: Pool,
    outbox: Outbox,
    fact: MakeFact,
    held_lease: Callable[..., Any],
    audit_database: Database,
    begun: Callable[..., Awaitable[RecordFacts]],
    subject_keys: SubjectKeys,
    personal: Personal,
) -> None:
    async with held_lease(pool) as old:
        admin = await asyncpg.connect(**audit_database.admin.connect_arguments("test"))
        await admin.execute("UPDATE leadership SET expires_at = '-infinity'")
        await admin.close()
        async with held_lease(pool) as new:
            with pytest.raises(LeadershipLostError):
                await RecordFacts(PostgresLog(pool, outbox, old, subject_keys), GrowingTree(), personal)([fact(1)])
            recording = await (await begun(PostgresLog(pool, outbox, new, subject_keys)))([fact(1)])
    assert [placed.position for placed in recording.placed] == [0]
    assert await pool.fetchval("SELECT count(*) FROM audit_entry") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET leaf = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "UPDATE audit_recorded SET position = 9",
        "DELETE FROM audit_recorded",
        "TRUNCATE audit_recorded",
        "UPDATE audit_contradiction SET body = ''",
        "DELETE FROM audit_contradiction",
        "TRUNCATE audit_contradiction",
    ],
)
@pytest.mark.requirement("AU-05")
async def test_the_log_cannot_be_changed_as_the_service_nor_by_its_owner(
    record: RecordFacts, fact: MakeFact, pool: Pool, audit_database: Database, statement: str
) -> None:
    await record([fact(1)])
    await record([fact(1, body=b"forged")])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)
    owner = await asyncpg.connect(**audit_database.owner.connect_arguments("test"))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await owner.execute(statement)
    await owner.close()
    leaf = await pool.fetchval("SELECT leaf FROM audit_entry")
    assert read_leaf(leaf).body == b"{}"


@pytest.mark.requirement("AU-05")
async def test_a_partition_cannot_be_touched_around_its_parent(
    record: RecordFacts, fact: MakeFact, pool: Pool, audit_database: Database
) -> None:
    await record([fact(1)])
    partition = await pool.fetchval("SELECT tableoid::regclass::text FROM audit_entry")
    for statement in ("INSERT INTO {} SELECT * FROM audit_entry", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement.format(partition))
    owner = await asyncpg.connect(**audit_database.owner.connect_arguments("test"))
    for statement in ("UPDATE {} SET leaf = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(statement.format(partition))
    await owner.close()


@pytest.mark.requirement("AU-05")
async def test_the_head_never_goes_back(record: RecordFacts, fact: MakeFact, pool: Pool) -> None:
    await record([fact(1)])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pool.execute("UPDATE audit_head SET next_position = 0")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DELETE FROM audit_head")


@pytest.mark.requirement("AU-05", "AU-06")
async def test_partitions_are_made_ahead_once(pool: Pool) -> None:
    assert await make_partitions_ahead(pool, 3) == 4
    assert await make_partitions_ahead(pool, 3) == 0
    assert await make_partitions_ahead(pool, 4) == 1


async def test_two_that_make_the_same_partition_at_once_make_it_once(pool: Pool) -> None:
    async with pool.acquire() as first, pool.acquire() as second:
        async with first.transaction():
            assert await first.fetchval("SELECT audit_make_partition(now())")
            waiting = asyncio.create_task(second.fetchval("SELECT audit_make_partition(now())"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
        assert await waiting is False


async def test_no_partition_is_made_for_a_far_month(pool: Pool) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await pool.execute("SELECT audit_make_partition('2400-01-01T00:00:00Z')")


@pytest.mark.requirement("AU-01")
async def test_time_of_recording_does_not_go_back_with_the_clock(
    record: RecordFacts, fact: MakeFact, pool: Pool, audit_database: Database
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=200)
    await pool.execute("UPDATE audit_head SET last_recorded_at = $1", ahead)
    recording = await record([fact(1)])
    assert recording.recorded_at == ahead
    assert await pool.fetchval("SELECT recorded_at FROM audit_entry") == ahead
