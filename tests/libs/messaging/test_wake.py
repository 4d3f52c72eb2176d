import asyncio
from typing import Any

import pytest

from yoyaku.messaging.broker import make_broker
from yoyaku.messaging.wake import Waker

pytestmark = pytest.mark.requirement("EV-03")


async def test_many_commits_at_once_are_one_wake_up(bus, booking_broker, eventually) -> None:
    client = await bus.connect()
    heard: list[Any] = []

    async def note(message: Any) -> None:
        heard.append(message.data)

    await client.subscribe("wake.outbox.booking", cb=note)
    await client.flush()
    wake = Waker(booking_broker, service="booking")
    for _ in range(1000):
        wake()
    await eventually(lambda: heard_at_least(heard, 1))
    assert heard == [b""]
    wake()
    await eventually(lambda: heard_at_least(heard, 2))
    await client.close()


async def heard_at_least(heard: list[Any], count: int) -> bool:
    return len(heard) >= count


@pytest.mark.requirement("GW-06")
async def test_it_never_raises_and_keeps_nothing_while_nats_is_away(
    bus, booking_broker, nats_server, eventually
) -> None:
    Waker(make_broker(bus.settings_for("booking"), service="booking"), service="booking")()
    wake = Waker(booking_broker, service="booking")
    await asyncio.to_thread(nats_server.kill)
    wake()

    async def is_away() -> bool:
        wake()
        return not booking_broker.is_connected

    await eventually(is_away)
    for _ in range(100):
        wake()
        await asyncio.sleep(0)

    async def is_settled() -> bool:
        return not wake._scheduled and (wake._sending is None or wake._sending.done())

    await eventually(is_settled)
    assert booking_broker.connection.pending_data_size == 0
    await asyncio.to_thread(nats_server.restart)

    async def is_back() -> bool:
        return booking_broker.is_connected

    await eventually(is_back)
