import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from yoyaku.contracts.envelope import Envelope
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.inbox import first_seen, keep_inbox_small, purge_inbox, unseen
from yoyaku.postgres.transaction import transaction

pytestmark = pytest.mark.requirement("EV-04")


@dataclass(frozen=True)
class Received:
    envelope: Envelope | None


def event(event_id: str | None = None) -> Received:
    return Received(
        Envelope(
            id=event_id or new_event_id(),
            source="/booking/07",
            type="booking.room.created.v1",
            time=datetime(2026, 11, 23, tzinfo=UTC),
            subject="room/1",
            sequence=1,
            actor="operator",
            correlation_id="c",
            causation_id=None,
            client_address=None,
            dataschema="urn:x",
        )
    )


def ids(events: list[Received]) -> list[str]:
    return [one.envelope.id for one in events if one.envelope is not None]


async def test_an_event_is_new_once_for_each_consumer(state) -> None:
    events = [event(), event()]
    async with transaction(state.pool) as connection:
        assert await first_seen(connection, "c1", events) == set(ids(events))
    third = event()
    async with transaction(state.pool) as connection:
        assert await first_seen(connection, "c1", [*events, third]) == set(ids([third]))
        assert await first_seen(connection, "c2", events) == set(ids(events))


async def test_a_rollback_forgets(state) -> None:
    one = event()
    with pytest.raises(ZeroDivisionError):
        async with transaction(state.pool) as connection:
            await first_seen(connection, "c1", [one])
            raise ZeroDivisionError
    async with transaction(state.pool) as connection:
        assert await first_seen(connection, "c1", [one]) == set(ids([one]))


async def test_unseen_keeps_the_order_and_drops_twins_of_one_batch(state) -> None:
    old, first, second = event(), event(), event()
    async with transaction(state.pool) as connection:
        await first_seen(connection, "c1", [old])
    async with transaction(state.pool) as connection:
        fresh = await unseen(connection, "c1", [second, old, first, second, Received(None)])
    assert ids(fresh) == ids([second, first])


async def test_nothing_and_unreadable_events_need_no_statement(state) -> None:
    async with transaction(state.pool) as connection:
        assert await first_seen(connection, "c1", []) == set()
        assert await first_seen(connection, "c1", [Received(None)]) == set()


@pytest.mark.parametrize("foreign", ["evt 1", "A234-1234-1234", "D3B85FBD-1570-40DE-85F4-B5277455337F"])
async def test_ids_of_any_form_are_recognised(state, foreign: str) -> None:
    for expected in ({foreign}, set()):
        async with transaction(state.pool) as connection:
            assert await first_seen(connection, "c1", [event(foreign)]) == expected


async def test_two_replicas_with_overlapping_batches_handle_each_event_once(state) -> None:
    """Large batches in opposite orders, so that both are in the middle of theirs when they meet."""
    events = [event() for _ in range(8000)]
    handled: list[str] = []

    async def consume(batch: list[Received]) -> None:
        async with transaction(state.pool) as connection:
            fresh = await unseen(connection, "c1", batch)
        handled.extend(ids(fresh))

    await asyncio.gather(*(consume(order) for order in (events, events[::-1], events[2000:6000], events[::-2])))
    assert sorted(handled) == sorted(ids(events))


async def test_only_rows_over_40_days_old_are_purged(state) -> None:
    async with transaction(state.pool) as connection:
        await first_seen(connection, "c1", [event() for _ in range(30)])
    await state.as_owner(
        "UPDATE inbox SET recorded_at = recorded_at - interval '39 days'",
        """UPDATE inbox SET recorded_at = recorded_at - interval '2 days'
           WHERE event_id IN (SELECT event_id FROM inbox LIMIT 10)""",
    )
    assert await purge_inbox(state.pool) == 10
    assert await purge_inbox(state.pool) == 0
    assert await state.pool.fetchval("SELECT count(*) FROM inbox") == 20


async def test_purging_goes_in_steps(state) -> None:
    await state.as_owner(
        """INSERT INTO inbox SELECT 'c1', gen_random_uuid(), clock_timestamp() - interval '41 days'
           FROM generate_series(1, 20001)"""
    )
    async with transaction(state.pool) as connection:
        assert await connection.fetchval("SELECT inbox_purge()") == 10_000
    assert await purge_inbox(state.pool) == 10_001


async def test_the_keeper_survives_a_database_that_is_away(state, postgres_server, lines, eventually) -> None:
    stop = asyncio.Event()
    await asyncio.to_thread(postgres_server.kill)
    keeper = asyncio.create_task(keep_inbox_small(state.pool, stop))
    await eventually(lambda: complained(lines))
    await asyncio.to_thread(postgres_server.restart)
    assert not keeper.done()
    stop.set()
    await keeper


async def complained(lines: list[str]) -> bool:
    return any("inbox could not be purged" in line for line in lines)


@pytest.mark.parametrize("statement", ["DELETE FROM inbox", "UPDATE inbox SET consumer = 'x'", "TRUNCATE inbox"])
async def test_the_service_may_not_make_itself_forget(state, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await state.pool.execute(statement)
