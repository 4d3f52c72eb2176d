import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import from_headers
from yoyaku.contracts.registry import decode
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import SHARDS, EventTooLargeError, Outbox, read_backlog, shard_of, source_of, with_event
from yoyaku.postgres.errors import ConstraintViolatedError

ROOM = RoomCreated(room_id=1, site="京都", capacity=4, time_zone="Asia/Tokyo")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


# Its second row is refused at the commit, after the numbers were taken.
FAILS_AT_COMMIT = """
CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO once VALUES (1);
GRANT INSERT ON once TO PUBLIC;
"""


class RollError(Exception):
    """Rolls a transaction back."""


@pytest.mark.requirement("EV-03")
@given(st.text(min_size=1))
def test_a_shard_is_one_of_64_and_always_the_same(subject: str) -> None:
    assert 0 <= shard_of(subject) < SHARDS
    assert shard_of(subject) == shard_of(subject)


@pytest.mark.requirement("EV-03")
def test_shards_never_move() -> None:
    # What is stored and published depends on these: a change here breaks the order consumers rely on.
    assert shard_of("reservation/0193a4f5-7b1c-7cc0-8000-000000000001") == 53
    assert shard_of("room/1") == 4
    assert source_of("booking", 7) == "/booking/07"


@pytest.mark.requirement("EV-01", "EV-03")
async def test_the_row_holds_the_whole_envelope(state) -> None:
    outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: NOW)
    async with outbox.transaction(state.pool) as tx:
        first = tx.emit(ROOM, subject="room/1", actor="person/ä b")
        second = tx.emit(
            ROOM,
            subject="room/1",
            actor="anonymous",
            occurred_at=NOW - timedelta(hours=1),
            correlation_id="c-1",
            causation_id=first,
            client_address="192.0.2.1",
        )
    rows = await state.pool.fetch("SELECT *, headers::text AS text FROM outbox_event ORDER BY number")
    assert [row["number"] for row in rows] == [1, 2]
    assert [str(row["event_id"]) for row in rows] == [first, second]
    envelopes = [from_headers({**json.loads(row["text"]), "ce-sequence": str(row["number"])}) for row in rows]
    assert all(envelope.source == source_of("booking", shard_of("room/1")) for envelope in envelopes)
    assert envelopes[0].actor == "person/ä b"
    assert envelopes[0].time == NOW
    assert envelopes[0].correlation_id == first
    assert (envelopes[1].time, envelopes[1].correlation_id) == (NOW - timedelta(hours=1), "c-1")
    assert (envelopes[1].causation_id, envelopes[1].client_address) == (first, "192.0.2.1")
    assert decode(rows[0]["type"], rows[0]["body"]) == ROOM
    assert rows[0]["traceparent"] is None


@pytest.mark.requirement("EV-07")
async def test_the_current_trace_is_stored_and_is_the_correlation(state, outbox) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        async with outbox.transaction(state.pool) as tx:
            # The transaction's own span where this process records, else the request's.
            current = trace.get_current_span().get_span_context()
            tx.emit(ROOM, subject="room/1", actor="operator")
    row = await state.pool.fetchrow("SELECT traceparent, headers->>'ce-correlationid' AS correlation FROM outbox_event")
    trace_id = format(span.get_span_context().trace_id, "032x")
    assert row["traceparent"].split("-")[1:3] == [trace_id, format(current.span_id, "016x")]
    assert row["correlation"] == trace_id


@pytest.mark.requirement("EV-03")
async def test_a_rollback_gives_its_numbers_back_and_wakes_nobody(state) -> None:
    woken: list[int] = []
    outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: NOW, wake=lambda: woken.append(1))
    with pytest.raises(RollError):
        async with outbox.transaction(state.pool) as tx:
            tx.emit(ROOM, subject="room/1", actor="operator")
            raise RollError
    async with outbox.transaction(state.pool):
        pass
    assert woken == []
    assert await state.numbers() == []
    async with outbox.transaction(state.pool) as tx:
        tx.emit(ROOM, subject="room/1", actor="operator")
    assert woken == [1]
    assert await state.numbers() == [(source_of("booking", shard_of("room/1")), 1)]


@pytest.mark.requirement("EV-03")
async def test_50_writers_leave_no_gap_and_number_in_commit_order(state, outbox) -> None:
    """2,000 transactions over a few aggregates, a third of them rolled back before numbering or refused at commit."""
    await state.as_owner(FAILS_AT_COMMIT)
    committed: dict[str, list[str]] = {}
    chance = random.Random(20261123)
    rooms = [f"room/{n}" for n in range(12)]

    async def write(task: int) -> None:
        for step in range(40):
            subjects = sorted(chance.sample(rooms, k=chance.choice([1, 1, 1, 2, 5])), key=shard_of)
            roll = chance.random() < 0.2
            fails_at_commit = chance.random() < 0.1
            try:
                async with outbox.transaction(state.pool) as tx:
                    if fails_at_commit:
                        await tx.connection.execute("INSERT INTO once VALUES (1)")
                    for subject in subjects:
                        # Under the room's own lock, so that this list is in the order of the commits.
                        await tx.connection.execute("SELECT pg_advisory_xact_lock($1)", shard_of(subject))
                    ids = {s: tx.emit(ROOM, subject=s, actor=f"person/{task}-{step}") for s in subjects}
                    if roll:
                        raise RollError
                    for subject, event_id in () if fails_at_commit else ids.items():
                        committed.setdefault(subject, []).append(event_id)
            except (RollError, ConstraintViolatedError):
                assert roll or fails_at_commit

    await asyncio.gather(*(write(task) for task in range(50)))

    rows = await state.pool.fetch(
        """SELECT shard, number, event_id::text AS id, headers->>'ce-subject' AS subject
           FROM outbox_event ORDER BY shard, number"""
    )
    assert len(rows) == sum(len(ids) for ids in committed.values()) > 1000
    of_shard: dict[int, list[int]] = {}
    of_subject: dict[str, list[str]] = {}
    for row in rows:
        of_shard.setdefault(row["shard"], []).append(row["number"])
        of_subject.setdefault(row["subject"], []).append(row["id"])
    for numbers in of_shard.values():
        assert numbers == list(range(1, len(numbers) + 1))
    assert of_subject == committed


@pytest.mark.requirement("EV-03")
async def test_what_is_visible_is_always_a_prefix(state, emitter) -> None:
    """A reader beside 20 writers never sees a number without all before it, which is what the relay relies on."""
    done = asyncio.Event()

    async def watch() -> int:
        looks = 0
        while not done.is_set():
            rows = await state.pool.fetch(
                "SELECT shard, max(number) AS last, count(*) AS n FROM outbox_event GROUP BY 1"
            )
            assert all(row["last"] == row["n"] for row in rows)
            looks += 1
        return looks

    async def write() -> None:
        for _ in range(20):
            await emitter.commit(aggregate="room/1")

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(write() for _ in range(20)))
    done.set()
    assert await watcher > 0
    assert await state.pending() == 400


ADDED = """
added AS (INSERT INTO thing (id) SELECT $1::int WHERE $1::int >= 0 ON CONFLICT DO NOTHING RETURNING id)
"""
ADD_THING = with_event(ADDED, made="EXISTS (SELECT 1 FROM added)", result="$1::int AS asked", parameters=1)


@pytest.mark.requirement("EV-03")
async def test_a_change_of_one_statement_numbers_its_event_only_when_it_was_made(state) -> None:
    """Forty writers try the same hundred things; each is made once, with one event, and no number is lost."""
    await state.as_owner("CREATE TABLE thing (id int PRIMARY KEY); GRANT SELECT, INSERT ON thing TO PUBLIC")
    woken: list[int] = []
    outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: NOW, wake=lambda: woken.append(1))

    async def write(first: int) -> int:
        made = 0
        for step in range(25):
            number = (first + step) % 100
            row = await outbox.change(
                state.pool, ADD_THING, number, event=ROOM, subject=f"room/{number % 3}", actor=f"person/{number}"
            )
            assert row["asked"] == number
            made += row["is_made"]
        return made

    made = sum(await asyncio.gather(*(write(7 * task) for task in range(40))))
    assert (made, len(woken), await state.pool.fetchval("SELECT count(*) FROM thing")) == (100, 100, 100)
    assert await state.pool.fetchval("SELECT count(*) FROM outbox_event") == 100
    assert all(
        row["last"] == row["n"] and row["last"] == row["counted"]
        for row in await state.pool.fetch(
            """SELECT max(e.number) AS last, count(*) AS n, max(s.last_number) AS counted
               FROM outbox_event AS e JOIN outbox_shard AS s USING (shard) GROUP BY shard"""
        )
    )


@pytest.mark.requirement("EV-03")
async def test_a_change_that_is_refused_leaves_no_number(state) -> None:
    await state.as_owner(
        "CREATE TABLE thing (id int CHECK (id < 5) PRIMARY KEY); GRANT SELECT, INSERT ON thing TO PUBLIC"
    )
    outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: NOW)
    with pytest.raises(ConstraintViolatedError):
        await outbox.change(state.pool, ADD_THING, 5, event=ROOM, subject="room/1", actor="operator")
    row = await outbox.change(state.pool, ADD_THING, -1, event=ROOM, subject="room/1", actor="operator")
    assert not row["is_made"]
    await outbox.change(state.pool, ADD_THING, 4, event=ROOM, subject="room/1", actor="operator")
    assert await state.numbers() == [(source_of("booking", shard_of("room/1")), 1)]


@pytest.mark.requirement("EV-03")
async def test_writers_of_crossing_shards_do_not_deadlock(state, emitter, outbox) -> None:
    async def write(subjects: list[str]) -> None:
        for _ in range(50):
            async with outbox.transaction(state.pool) as tx:
                for subject in subjects:
                    tx.emit(ROOM, subject=subject, actor="operator")

    subjects = [f"room/{n}" for n in range(8)]
    await asyncio.gather(write(subjects), write(subjects[::-1]), write(subjects), write(subjects[::-1]))
    assert await state.pending() == 4 * 50 * 8


async def test_many_events_in_one_transaction_keep_their_order(state, emitter) -> None:
    ids = await emitter.commit(2500, aggregate="room/1")
    rows = await state.pool.fetch("SELECT event_id::text AS id FROM outbox_event ORDER BY number")
    assert [row["id"] for row in rows] == ids


@pytest.mark.parametrize("spoil", [lambda event: event.model_copy(update={"site": "x" * 600_000})])
async def test_an_event_too_large_for_the_bus_is_refused_at_once(state, outbox, spoil: Callable) -> None:
    with pytest.raises(EventTooLargeError) as caught:
        async with outbox.transaction(state.pool) as tx:
            tx.emit(spoil(ROOM), subject="room/1", actor="operator")
    assert caught.value.size_bytes > 600_000
    assert await state.numbers() == []


async def test_a_naive_time_is_refused(state, outbox) -> None:
    with pytest.raises(ValueError, match="ce-time"):
        async with outbox.transaction(state.pool) as tx:
            tx.emit(ROOM, subject="room/1", actor="operator", occurred_at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.requirement("EV-03", "OB-02")
async def test_the_backlog_counts_and_ages(state, emitter) -> None:
    assert await read_backlog(state.pool) == await read_backlog(state.pool)
    assert (await read_backlog(state.pool)).oldest_age_seconds == 0
    await emitter.commit(3)
    await state.as_owner("UPDATE outbox_event SET created_at = created_at - interval '90 seconds' WHERE number = 1")
    backlog = await read_backlog(state.pool)
    assert backlog.pending == 3
    assert 90 <= backlog.oldest_age_seconds < 120


@pytest.mark.requirement("EV-03")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outbox_event SET body = ''",
        "DELETE FROM outbox_event",
        "TRUNCATE outbox_event",
        "DELETE FROM outbox_cursor",
        "INSERT INTO outbox_cursor VALUES (1, 0, '2026-01-01')",
        "DELETE FROM outbox_shard",
        "DROP TABLE outbox_event_default",
        "SELECT outbox_passed('outbox_event_default')",
        "INSERT INTO outbox_event_default SELECT * FROM outbox_event",
    ],
)
async def test_the_service_may_not_rewrite_its_history(state, emitter, statement: str) -> None:
    await emitter.commit()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await state.pool.execute(statement)
