import asyncio

import pytest

from yoyaku.messaging import waiting
from yoyaku.messaging.waiting import set_within


async def test_it_says_whether_the_event_is_set() -> None:
    event = asyncio.Event()
    assert not await set_within(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await set_within(event, 30)
    assert await set_within(event, 0)


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "CANCEL_AGAIN_SECONDS", 0.01)
    lost: list[int] = []

    async def work() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append(len(lost))
                if len(lost) == 3:
                    raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await waiting.ended(task)
    assert task.cancelled()
    assert len(lost) == 3


async def test_what_an_ended_task_raised_is_dropped() -> None:
    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await waiting.ended(task)
