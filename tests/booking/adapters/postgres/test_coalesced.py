import asyncio
from collections.abc import Sequence

import pytest

from yoyaku.booking.adapters.postgres.coalesced import AT_ONCE, MOST, Coalesced


class Clerk:
    """Answers a key with its double once it may, and notes what was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may = asyncio.Event()
        self.fails = False

    async def __call__(self, keys: Sequence[int]) -> list[int]:
        self.asked.append(list(keys))
        await self.may.wait()
        if self.fails:
            raise LookupError
        return [2 * key for key in keys]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_alone_waits_for_nobody() -> None:
    clerk = Clerk()
    clerk.may.set()
    assert await Coalesced(clerk)(7) == 14
    assert clerk.asked == [[7]]


async def test_what_is_asked_meanwhile_goes_together_and_after_it_was_asked() -> None:
    clerk = Clerk()
    ask = Coalesced(clerk)
    askers = [asyncio.create_task(ask(number)) for number in range(AT_ONCE + MOST + 3)]
    await settle()
    assert clerk.asked == [[number] for number in range(AT_ONCE)]
    clerk.may.set()
    assert await asyncio.gather(*askers) == [2 * number for number in range(AT_ONCE + MOST + 3)]
    assert sorted(map(len, clerk.asked)) == sorted([*[1] * AT_ONCE, MOST, 3])


async def test_an_error_reaches_those_who_asked_and_nobody_else() -> None:
    clerk = Clerk()
    ask = Coalesced(clerk)
    failing = [asyncio.create_task(ask(number)) for number in range(AT_ONCE)]
    await settle()
    clerk.fails = True
    clerk.may.set()
    assert [type(error) for error in await asyncio.gather(*failing, return_exceptions=True)] == [LookupError] * AT_ONCE
    clerk.fails = False
    assert await ask(4) == 8


async def test_who_leaves_is_not_missed() -> None:
    clerk = Clerk()
    ask = Coalesced(clerk)
    first = [asyncio.create_task(ask(number)) for number in range(AT_ONCE)]
    leaving, staying = asyncio.create_task(ask(8)), asyncio.create_task(ask(9))
    await settle()
    leaving.cancel()
    first[0].cancel()
    clerk.may.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await staying, await first[1]) == (18, 2)
