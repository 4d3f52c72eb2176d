import asyncio

from yoyaku.messaging.waiting import set_within


async def test_it_says_whether_the_event_is_set() -> None:
    event = asyncio.Event()
    assert not await set_within(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await set_within(event, 30)
    assert await set_within(event, 0)
