"""Waiting in tests: asking again until a condition holds, with a deadline; nothing here sleeps for a race."""

import asyncio
import reprlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")
PATIENCE_SECONDS = 60.0
ASK_EVERY_SECONDS = 0.05
SHOWN_CHARACTERS = 2_000
_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxset = 20
_SHORT.maxstring = _SHORT.maxother = SHOWN_CHARACTERS


async def eventually(
    probe: Callable[[], Awaitable[Seen]],
    until: Callable[[Seen], bool] = bool,
    within_seconds: float = PATIENCE_SECONDS,
) -> Seen:
    """Ask until the condition holds and return the answer; fails with what was seen last, also when asking hangs."""
    seen: object = None
    try:
        async with asyncio.timeout(within_seconds) as limit:
            while True:
                seen = answer = await probe()
                if until(answer):
                    return answer
                await asyncio.sleep(ASK_EVERY_SECONDS)
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(
            f"not within {within_seconds:g} s; last seen: {_SHORT.repr(seen)[:SHOWN_CHARACTERS]}"
        ) from None
