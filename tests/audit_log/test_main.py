"""The audit log as real processes on a real bus and a real database."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchReply, AuditLogSearchRequest
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.rpc import request
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.rfc6962 import merkle_tree_hash
from yoyaku.testkit.servers import PostgresServer
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.note import parse_note

Eventually = Callable[..., Awaitable[None]]
EntriesOf = Callable[[Pool], Awaitable[list[Any]]]
Start = Callable[..., Any]


def has(pool: Pool, count: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return int(await pool.fetchval("SELECT count(*) FROM audit_entry")) >= count

    return check


def assert_exactly_once(entries: list[Any], expected_numbers: set[int]) -> None:
    assert [entry["position"] for entry in entries] == list(range(len(entries)))
    numbers = [entry["number"] for entry in entries if entry["source"] == "/booking/07"]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == expected_numbers
    times = [entry["recorded_at"] for entry in entries]
    assert times == sorted(times)


async def nothing_is_left(js: JetStreamContext) -> bool:
    info = await js.consumer_info("BOOKING", "audit-log_booking")
    return info.num_pending == 0 and info.num_ack_pending == 0


@pytest.mark.requirement("AU-01", "EV-04", "EV-05")
async def test_every_stream_is_recorded_once_under_repetition_and_restart(
    start_replica: Start, producer: Any, pool: Pool, js: JetStreamContext, eventually: Eventually, entries_of: EntriesOf
) -> None:
    first = start_replica()
    await producer.publish(20)
    for stream in ("identity", "security", "backup", "audit"):
        headers = producer.headers(1, **{"ce-source": f"/{stream}/01", "ce-type": f"{stream}.thing.happened.v9"})
        await js.publish(f"{stream}.thing.happened.v9", b"{}", headers=headers)
    checkpoint = producer.headers(1, **{"ce-source": "/audit-log/00", "ce-type": "audit.checkpoint.signed.v1"})
    await js.publish("audit.checkpoint.signed.v1", b"{}", headers=checkpoint)
    await eventually(has(pool, 24))
    first.send(signal.SIGTERM)
    assert await asyncio.to_thread(first.process.wait, 20) == 0

    await producer.repeat(3)
    await producer.publish(20)
    start_replica()
    await producer.repeat(25)
    await eventually(has(pool, 44))
    await eventually(lambda: nothing_is_left(js))
    entries = await entries_of(pool)
    assert_exactly_once(entries, set(range(1, 41)))
    assert {entry["type"].partition(".")[0] for entry in entries} == {
        "booking", "identity", "security", "backup", "audit",
    }  # fmt: skip
    assert not [entry for entry in entries if "checkpoint" in entry["type"]]


@pytest.mark.requirement("AU-01", "EV-05")
async def test_poison_is_kept_as_opaque_bytes_and_costs_its_neighbours_nothing(
    start_replica: Start, producer: Any, pool: Pool, js: JetStreamContext, eventually: Eventually, entries_of: EntriesOf
) -> None:
    await producer.publish(5)
    await js.publish("booking.room.created.v1", b"\x00\xff no envelope")
    await js.publish("booking.room.created.v1", b"{}", headers=producer.headers(9, **{"ce-subject": "a%00b"}))
    await js.publish("booking.room.created.v1", b"{}", headers=producer.headers(9, **{"ce-source": "/" + "s" * 3000}))
    await js.publish(
        "booking.room.created.v1", b"{}", headers=producer.headers(9, **{"ce-source": "/unreadable/BOOKING"})
    )
    await js.publish(
        "booking.what.ever.v7", b"not json", headers=producer.headers(6, **{"ce-type": "booking.what.ever.v7"})
    )
    producer.next_number = 7
    await producer.publish(5)
    start_replica()
    await eventually(has(pool, 15))
    await eventually(lambda: nothing_is_left(js))
    entries = await entries_of(pool)
    assert_exactly_once(entries, {*range(1, 7), *range(7, 12)})
    opaque = [entry for entry in entries if entry["source"] == "/unreadable/BOOKING"]
    assert [entry["number"] for entry in opaque] == [6, 7, 8, 9]
    assert opaque[0]["body"] == b"\x00\xff no envelope"
    assert all(entry["problem"] for entry in opaque)
    dead = await js.stream_info("DEAD_LETTERS")
    assert dead.state.messages == 0


@pytest.mark.requirement("AU-01")
async def test_a_violation_becomes_an_entry_of_its_own(
    start_replica: Start, producer: Any, pool: Pool, eventually: Eventually, entries_of: EntriesOf
) -> None:
    start_replica()
    await producer.publish(3)
    await eventually(has(pool, 3))
    for _ in range(3):
        await producer.repeat(2, body=b'{"forged": true}')
    await eventually(has(pool, 4))
    await producer.publish(1)
    await eventually(has(pool, 5))
    entries = await entries_of(pool)
    violations = [entry for entry in entries if entry["type"] == "audit.integrity.violated.v1"]
    assert len(violations) == 1
    told = json.loads(violations[0]["body"])
    assert (told["kind"], told["source"], told["number"]) == ("content_changed", "/booking/07", 2)
    assert told["event_id"] == producer.sent[2]["ce-id"]
    assert bytes(
        next(e for e in entries if e["number"] == 2 and e["source"] == "/booking/07")["body"]
    ) == producer.body(2)


async def checkpoints_seen(pool: Pool, stop: asyncio.Event) -> dict[tuple[int, bytes], str]:
    """Read the newest checkpoint again and again, as its readers do."""
    seen = {}
    while not stop.is_set():
        for row in await pool.fetch("SELECT size, root, note FROM audit_checkpoint_latest"):
            seen[row["size"], row["root"]] = row["note"]
        await asyncio.sleep(0.02)
    return seen


async def assert_every_checkpoint_vouches_for_the_entries(pool: Pool, seen: dict[tuple[int, bytes], str]) -> None:
    leaves = [row["leaf"] for row in await pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")]
    kept = {(row["size"], row["root"]): row["note"] for row in await pool.fetch("SELECT * FROM audit_checkpoint")}
    assert kept
    assert max(size for size, _ in seen) == len(leaves)
    for (size, root), note in (seen | kept).items():
        assert root == merkle_tree_hash(leaves[:size])
        assert Checkpoint.parse(parse_note(note).text) == Checkpoint("audit.yoyaku/development/1", size, root)


@pytest.mark.requirement("AU-01", "AU-02")
async def test_a_standby_takes_over_when_the_leader_is_killed_in_the_middle(
    start_replica: Start, producer: Any, pool: Pool, js: JetStreamContext, eventually: Eventually, entries_of: EntriesOf
) -> None:
    over = asyncio.Event()
    watching = asyncio.create_task(checkpoints_seen(pool, over))
    leader = start_replica()
    await eventually(leader.leads)
    standby = start_replica()
    await eventually(standby.stands_by)
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(producer.publish(1500))
        await eventually(has(pool, 300))
        leader.kill()
        await eventually(standby.leads)
    await eventually(has(pool, 1500))
    await eventually(lambda: nothing_is_left(js))
    assert_exactly_once(await entries_of(pool), set(range(1, 1501)))
    assert await pool.fetchval("SELECT count(*) FROM audit_contradiction") == 0
    standby.send(signal.SIGTERM)
    assert await asyncio.to_thread(standby.process.wait, 20) == 0
    await asyncio.sleep(0.1)
    over.set()
    await assert_every_checkpoint_vouches_for_the_entries(pool, await watching)


@pytest.mark.requirement("AU-01")
async def test_an_old_leader_that_wakes_up_adds_nothing_twice(
    start_replica: Start, producer: Any, pool: Pool, js: JetStreamContext, eventually: Eventually, entries_of: EntriesOf
) -> None:
    leader = start_replica()
    await eventually(leader.leads)
    standby = start_replica()
    await eventually(standby.stands_by)
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(producer.publish(1200))
        await eventually(has(pool, 200))
        leader.send(signal.SIGSTOP)
        await eventually(standby.leads)
    await eventually(has(pool, 900))
    leader.send(signal.SIGCONT)
    await eventually(leader.stands_by)
    await eventually(has(pool, 1200))
    await eventually(lambda: nothing_is_left(js))
    assert await standby.leads()
    assert_exactly_once(await entries_of(pool), set(range(1, 1201)))


@pytest.mark.requirement("EV-05", "AU-01")
async def test_with_the_database_away_events_wait_and_spend_no_attempt(
    start_replica: Start,
    producer: Any,
    pool: Pool,
    js: JetStreamContext,
    postgres_server: PostgresServer,
    eventually: Eventually,
    entries_of: EntriesOf,
) -> None:
    replica = start_replica()
    await producer.publish(10)
    await eventually(has(pool, 10))
    postgres_server.kill()
    await producer.publish(300)

    async def is_unready() -> bool:
        return await replica.role() is None

    await eventually(is_unready)
    postgres_server.restart()

    async def all_there() -> bool:
        try:
            return await has(pool, 310)()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # this test's own pool has lost it, too
            return False

    await eventually(all_there)
    await eventually(lambda: nothing_is_left(js))
    assert_exactly_once(await entries_of(pool), set(range(1, 311)))
    assert (await js.stream_info("DEAD_LETTERS")).state.messages == 0
    assert replica.process.poll() is None


@pytest.mark.requirement("AU-07")
async def test_any_replica_answers_searches(
    start_replica: Start, producer: Any, pool: Pool, bus: Bus, eventually: Eventually
) -> None:
    leader = start_replica()
    await eventually(leader.leads)
    await producer.publish(12)
    await eventually(has(pool, 12))
    standby = start_replica()
    await eventually(standby.stands_by)
    leader.send(signal.SIGSTOP)
    broker = make_broker(bus.settings_for("booking"), service="booking")
    await start_broker(broker)
    question = AuditLogSearchRequest(requested_by="person/1", type=RoomCreated.TYPE, limit=5)

    async def answered() -> bool:
        try:
            reply = await request(broker, RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply, timeout_seconds=1)
        except Exception:  # noqa: BLE001 - the frozen replica may have been asked
            return False
        assert [entry.subject for entry in reply.entries] == [f"room/{number}" for number in range(1, 6)]
        assert reply.entries[0].body == json.loads(producer.body(1))
        return reply.next_after_position == reply.entries[-1].position

    await eventually(answered)
    await broker.stop()
