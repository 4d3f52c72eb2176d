"""No piece of work is missed: what fails or ends too early ends everything, and says so."""

import asyncio
from typing import Any

import pytest

from yoyaku.lifecycle.work import WorkEndedError, in_background, unless_stopped, work_until
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.health import Health, Status

pytestmark = pytest.mark.timeout(30)
FAILED = "background work failed, the process ends"


class UnexpectedError(Exception):
    pass


async def until_told(stop: asyncio.Event) -> None:
    await stop.wait()


async def fail(stop: asyncio.Event) -> None:
    raise UnexpectedError


async def return_at_once(stop: asyncio.Event) -> None:
    return


@pytest.fixture
def health() -> Health:
    return Health("booking", "1")


async def is_ready(health: Health) -> bool:
    return (await health.ready()).status is Status.PASS


async def test_works_go_on_until_told_to_stop_and_then_finish_what_is_in_hand(health: Health, logged: Any) -> None:
    stop, finished = asyncio.Event(), []

    async def work(stop: asyncio.Event) -> None:
        await stop.wait()
        finished.append(await is_ready(health))

    working = asyncio.create_task(work_until(stop, {"one": work, "other": work}, health=health))
    await asyncio.sleep(0)
    assert not working.done()
    assert await is_ready(health)
    stop.set()
    await working
    assert len(finished) == 2
    assert not await is_ready(health)
    assert logged.named(FAILED) == []


async def test_work_that_fails_ends_the_others_and_is_raised(health: Health, logged: Any) -> None:
    stop = asyncio.Event()
    with pytest.raises(ExceptionGroup) as raised:
        await work_until(stop, {"relay": until_told, "expiry": fail}, health=health)
    assert [type(error) for error in raised.value.exceptions] == [UnexpectedError]
    assert stop.is_set()
    assert not await is_ready(health)
    assert [line["work"] for line in logged.named(FAILED)] == ["expiry"]


async def test_work_that_just_ends_is_a_defect_too(health: Health, logged: Any) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await work_until(asyncio.Event(), {"relay": until_told, "expiry": return_at_once}, health=health)
    (error,) = raised.value.exceptions
    assert isinstance(error, WorkEndedError)
    assert error.name == "expiry"
    assert [line["work"] for line in logged.named(FAILED)] == ["expiry"]


async def test_work_that_loses_its_cancellation_ends_all_the_same(health: Health) -> None:
    """As a loop around `asyncio.wait_for` of Python 3.11 may: it goes on, but sees `stop`."""

    async def stubborn(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                await set_within(stop, 10)

    with pytest.raises(ExceptionGroup):
        await work_until(asyncio.Event(), {"relay": stubborn, "expiry": fail}, health=health)


async def test_it_is_unready_while_the_others_still_end(health: Health) -> None:
    ready: list[bool] = []

    async def slow_to_end(stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ready.append(await is_ready(health))

    with pytest.raises(ExceptionGroup):
        await work_until(asyncio.Event(), {"relay": slow_to_end, "expiry": fail}, health=health)
    assert ready == [False]


async def test_work_that_knows_of_no_stop_is_cancelled() -> None:
    stop, begun, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    doing = asyncio.create_task(unless_stopped(stop, for_ever()))
    await begun.wait()
    stop.set()
    await doing
    assert ended.is_set()
    with pytest.raises(UnexpectedError):
        await unless_stopped(asyncio.Event(), fail(stop))


async def test_in_the_background_a_failure_asks_for_the_end_of_the_process(logged: Any) -> None:
    asked = asyncio.Event()
    async with in_background("blocks", fail(asked), end=asked.set):
        await asked.wait()
    assert [line["work"] for line in logged.named(FAILED)] == ["blocks"]


async def test_in_the_background_the_end_of_the_block_is_no_failure(logged: Any) -> None:
    asked = asyncio.Event()
    async with in_background("blocks", until_told(asyncio.Event()), end=asked.set):
        await asyncio.sleep(0)
    assert not asked.is_set()
    assert logged.named(FAILED) == []
