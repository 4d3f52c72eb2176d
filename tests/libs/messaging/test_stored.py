from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from nats.js import JetStreamContext

from yoyaku.messaging import stored
from yoyaku.messaging.broker import ServiceBroker, jetstream
from yoyaku.messaging.stored import StreamUnreadableError, read_message, read_stream


async def test_a_stream_is_read_whole_in_order_over_several_pages(
    js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PAGE", 10)
    for number in range(25):
        await js.publish(f"booking.n.v{number % 2}", str(number).encode(), headers={"n": str(number)})
    await js.delete_msg("BOOKING", 7)
    found = [message async for message in read_stream(js, "BOOKING")]
    assert [message.data.decode() for message in found] == [str(n) for n in range(25) if n != 6]
    assert found[0].headers == {"n": "0"}
    assert (found[0].subject, found[0].sequence) == ("booking.n.v0", 1)
    assert abs(datetime.now(UTC) - found[0].stored_at) < timedelta(minutes=5)
    odd = [message.sequence async for message in read_stream(js, "BOOKING", subject="booking.n.v1")]
    assert odd == list(range(2, 26, 2))


@pytest.mark.parametrize("count", [0, 10])
async def test_an_empty_stream_and_one_that_fills_its_pages_exactly_end(
    js: JetStreamContext, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PAGE", 5)
    for _ in range(count):
        await js.publish("booking.n.v1", b"")
    assert len([message async for message in read_stream(js, "BOOKING")]) == count


async def test_reading_one_message_leaves_no_subscription_behind(js: JetStreamContext) -> None:
    await js.publish("booking.n.v1", b"x")
    before = len(js._nc._subs)
    assert await read_message(js, "BOOKING", 1) is not None
    assert len(js._nc._subs) == before


async def test_a_message_that_is_gone_is_none_and_not_its_neighbour(js: JetStreamContext) -> None:
    for _ in range(3):
        await js.publish("booking.n.v1", b"x")
    await js.delete_msg("BOOKING", 2)
    assert await read_message(js, "BOOKING", 2) is None
    assert await read_message(js, "BOOKING", 99) is None
    third = await read_message(js, "BOOKING", 3)
    assert third is not None
    assert third.sequence == 3


@pytest.mark.requirement("EV-08")
async def test_a_stream_one_may_not_read_is_an_error_and_not_empty(
    broker_of: Callable[[str], Awaitable[ServiceBroker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "TIMEOUT_SECONDS", 0.3)
    own = jetstream(await broker_of("audit-log"))
    with pytest.raises(StreamUnreadableError, match="BOOKING"):
        assert [message async for message in read_stream(own, "BOOKING")]
