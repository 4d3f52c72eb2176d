"""An outbox answers how far it counted, and sends numbers again: real database, real stream, the audit log asks."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from nats.js.api import StreamConfig

from yoyaku.contracts.rpc import (
    OutboxResendReply,
    OutboxResendRequest,
    OutboxShardStatus,
    OutboxStatusReply,
    OutboxStatusRequest,
)
from yoyaku.contracts.subjects import outbox_resend_subject, outbox_status_subject
from yoyaku.messaging.broker import ServiceBroker, make_broker, start_broker
from yoyaku.messaging.outbox import shard_of, source_of
from yoyaku.messaging.resend import NUMBERS_A_REQUEST, ROWS_A_BATCH, serve_outbox
from yoyaku.messaging.rpc import RpcFailedError, request

pytestmark = pytest.mark.requirement("EV-03", "AU-04")

SHARD = shard_of("room/1")
SOURCE = source_of("booking", SHARD)


@pytest.fixture
async def booking_broker(bus, state) -> AsyncIterator[ServiceBroker]:
    """A booking service that answers for its outbox."""
    broker = make_broker(bus.settings_for("booking"), service="booking")
    serve_outbox(state.pool, broker, service="booking")
    await start_broker(broker)
    await broker.connection.flush()
    yield broker
    await broker.stop()


@pytest.fixture
async def status(booking_broker, broker_of) -> Callable[[], Awaitable[OutboxStatusReply]]:
    asker = await broker_of("audit-log")
    return lambda: request(asker, outbox_status_subject("booking"), OutboxStatusRequest(), OutboxStatusReply)


@pytest.fixture
async def resend(booking_broker, broker_of) -> Callable[..., Awaitable[OutboxResendReply]]:
    asker = await broker_of("audit-log")

    async def ask(first: int, last: int, source: str = SOURCE) -> OutboxResendReply:
        question = OutboxResendRequest(requested_by="audit-log", source=source, first_number=first, last_number=last)
        return await request(asker, outbox_resend_subject("booking"), question, OutboxResendReply)

    return ask


async def test_a_status_tells_how_far_each_shard_counted_and_was_published(
    state, emitter, run_relay, status, eventually
) -> None:
    assert (await status()).shards == ()
    await emitter.commit(3, aggregate="room/1")
    async with run_relay():
        await eventually(state.published)
    await emitter.commit(2, aggregate="room/1")
    await state.as_owner("DELETE FROM outbox_event WHERE number = 1")
    [shard] = (await status()).shards
    assert shard == OutboxShardStatus(
        source=SOURCE, last_number=5, published_number=3, first_waiting_number=4, oldest_kept_number=2
    )
    await state.as_owner("DELETE FROM outbox_event WHERE number <= 4")
    assert (await status()).shards[0].first_waiting_number == 5
    await state.as_owner("DELETE FROM outbox_event")
    [shard] = (await status()).shards
    assert (shard.first_waiting_number, shard.oldest_kept_number) == (None, None)


async def test_numbers_come_again_as_they_were_and_what_is_gone_is_named(
    state, emitter, run_relay, resend, stored_events, eventually
) -> None:
    count = ROWS_A_BATCH + 10
    await emitter.commit(count, aggregate="room/1")
    async with run_relay():
        await eventually(state.published)
    await emitter.commit(2, aggregate="room/1")
    await state.as_owner(f"DELETE FROM outbox_event WHERE number IN (3, {ROWS_A_BATCH + 1})")
    reply = await resend(2, count + 2)
    lost = (3, ROWS_A_BATCH + 1)
    assert reply == OutboxResendReply(resent_count=count - 3, published_number=count, lost_numbers=lost)
    events = await stored_events()
    first, again = {event.number: event for event in events[:count]}, events[count:]
    assert [event.number for event in again] == [n for n in range(2, count + 1) if n not in lost]
    for event in again:
        before = first[event.number]
        assert event.headers.pop("Nats-Msg-Id") != before.headers["Nats-Msg-Id"]
        event.headers.pop("traceparent", None)
        assert event.headers == {k: v for k, v in before.headers.items() if k not in ("Nats-Msg-Id", "traceparent")}
        assert event.data == before.data


async def test_what_waits_for_the_relay_is_left_to_it(state, emitter, resend, stored_events) -> None:
    await emitter.commit(2, aggregate="room/1")
    assert await resend(1, 2) == OutboxResendReply(resent_count=0, published_number=0, lost_numbers=())
    assert await stored_events() == []


@pytest.mark.parametrize(
    ("first", "last", "source", "code"),
    [
        (1, NUMBERS_A_REQUEST + 1, SOURCE, "too_many_numbers"),
        (1, 1, "/booking/64", "unknown_source"),
        (1, 1, "/audit-log/00", "unknown_source"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_refused(resend, first: int, last: int, source: str, code: str) -> None:
    with pytest.raises(RpcFailedError) as refused:
        await resend(first, last, source)
    assert refused.value.code == code


async def test_a_full_stream_is_said_with_the_number_that_it_refused(
    state, emitter, run_relay, resend, js, eventually
) -> None:
    await emitter.commit(2, aggregate="room/1")
    async with run_relay():
        await eventually(state.published)
    config = (await js.stream_info("BOOKING")).config
    await js.update_stream(StreamConfig(**{**config.__dict__, "max_msgs": 3}))
    with pytest.raises(RpcFailedError, match="number 2: stream is full") as refused:
        await resend(1, 2)
    assert refused.value.code == "not_published"
