"""A flood of refusals is no flood of events, and none is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from yoyaku.booking.usecases.counted_refusals import CountedRefusals

Recorded = list[tuple[str, int]]


def counted(recorded: Recorded, **options: Any) -> CountedRefusals[str]:
    async def record(refusal: str, count: int) -> None:
        await asyncio.sleep(0)
        recorded.append((refusal, count))

    return CountedRefusals(record, **options)


@pytest.mark.requirement("GW-04", "ID-05")
async def test_the_first_at_once_and_the_others_as_one_number(eventually: Callable[..., Awaitable[None]]) -> None:
    recorded: Recorded = []
    refusals = counted(recorded, window_seconds=0.05)
    await refusals.note("a", "first")
    assert recorded == [("first", 1)]
    for number in range(500):
        await refusals.note("a", f"further {number}")
    await refusals.note("b", "other")
    assert recorded == [("first", 1), ("other", 1)]

    async def flushed() -> bool:
        return len(recorded) == 3

    await eventually(flushed)
    assert recorded[2] == ("further 499", 500)


@pytest.mark.requirement("GW-04")
async def test_at_once_means_before_the_first_is_recorded_too() -> None:
    recorded: Recorded = []
    refusals = counted(recorded, window_seconds=60)
    await asyncio.gather(*(refusals.note("a", str(number)) for number in range(10)))
    await refusals.aclose()
    assert [count for _, count in recorded] == [1, 9]


@pytest.mark.requirement("GW-04")
async def test_keys_are_bounded_and_what_failed_is_a_first_one_again() -> None:
    recorded: Recorded = []
    refusals = counted(recorded, window_seconds=60, most_keys=2)
    for key in "abc":
        await refusals.note(key, key)
    assert recorded == [("a", 1), ("b", 1)]
    await refusals.aclose()

    attempts = 0

    async def fail_once(refusal: str, count: int) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError
        recorded.append((refusal, count))

    failing: CountedRefusals[str] = CountedRefusals(fail_once)
    with pytest.raises(OSError):
        await failing.note("x", "x")
    await failing.note("x", "x again")
    assert recorded[-1] == ("x again", 1)


@pytest.mark.requirement("GW-04")
async def test_what_is_on_no_record_is_counted_as_lost() -> None:
    recorded: Recorded = []
    lost: list[int] = []
    refusals = counted(recorded, window_seconds=60, most_keys=2, lost=lost.append)
    for key in "abcdab":
        refusals.count(key, key)
    await refusals.note("e", "e")
    await refusals.aclose()
    assert (sorted(recorded), sum(lost)) == ([("a", 2), ("b", 2)], 3)

    async def fail(refusal: str, count: int) -> None:
        raise OSError

    failing: CountedRefusals[str] = CountedRefusals(fail, lost=lost.append)
    for _ in range(4):
        failing.count("x", "x")
    await failing.aclose()
    assert sum(lost) == 7
