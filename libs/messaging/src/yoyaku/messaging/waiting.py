"""Waiting, bounded, for an event or the end of a task: the idioms of every loop that runs until told to stop."""

import asyncio
from typing import Final

CANCEL_AGAIN_SECONDS: Final = 1.0


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set, at most `seconds`; say whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task, again if need be, until it has ended; what it raised is dropped.

    One cancellation may not be enough: `asyncio.wait_for` of Python 3.11, by which the NATS client waits for answers,
    loses it when the answer comes in the same turn of the loop.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(task, return_exceptions=True)
