"""Refusals on the record without a flood of events (GW-04): the first of a second at once, the others as one number.

Invariant: every refusal is part of exactly one record, unless the process is killed (at most the last second's further
ones are lost, never a first), more keys are open than memory is kept for, or recording them fails: then their number is
logged and told to `lost`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from loguru import logger

WINDOW_SECONDS: Final = 1.0
MOST_KEYS: Final = 10_000

Refusal = TypeVar("Refusal")

Record = Callable[[Refusal, int], Awaitable[None]]
"""Puts a refusal on the record in a transaction of its own; the number says how many it stands for."""

Lost = Callable[[int], None]
"""Hears how many refusals are on no record."""


def ignore(number: int) -> None:
    """Count nothing."""


@dataclass(slots=True)
class _Window(Generic[Refusal]):
    last: Refusal
    further: int = 0


class CountedRefusals(Generic[Refusal]):
    """Counts refusals of one kind by a key; `aclose` records what is still counted."""

    def __init__(
        self,
        record: Record[Refusal],
        *,
        window_seconds: float = WINDOW_SECONDS,
        most_keys: int = MOST_KEYS,
        lost: Lost = ignore,
    ) -> None:
        self._record = record
        self._window_seconds = window_seconds
        self._most_keys = most_keys
        self._lost = lost
        self._open: dict[Hashable, _Window[Refusal]] = {}
        self._uncounted = 0
        self._flushing: set[asyncio.Task[None]] = set()

    async def note(self, key: Hashable, refusal: Refusal) -> None:
        """Record the refusal at once when it is the first of its key, else count it until the second is over.

        Raises what recording raises; the next refusal of the key is then a first one again, unless others came in
        between: those are counted.
        """
        window = self._open.get(key)
        if window is not None:
            window.further += 1
            window.last = refusal
            return
        if len(self._open) >= self._most_keys:
            self._leave_out()
            return
        # Opened before the first await, so that a second refusal meanwhile is not a first one too.
        opened = self._open[key] = _Window(refusal)
        asyncio.get_running_loop().call_later(self._window_seconds, self._close, key)
        try:
            await self._record(refusal, 1)
        except BaseException:
            if not opened.further:
                self._open.pop(key, None)
            raise

    def count(self, key: Hashable, refusal: Refusal) -> None:
        """Count the refusal without waiting for anything; it is on the record when the second is over."""
        window = self._open.get(key)
        if window is None:
            if len(self._open) >= self._most_keys:
                self._leave_out()
                return
            window = self._open[key] = _Window(refusal)
            asyncio.get_running_loop().call_later(self._window_seconds, self._close, key)
        window.further += 1

    async def aclose(self) -> None:
        """Record what is counted, and return when it is done."""
        for key in tuple(self._open):
            self._close(key)
        await asyncio.gather(*self._flushing, return_exceptions=True)

    def _leave_out(self) -> None:
        self._uncounted += 1
        self._lost(1)

    def _close(self, key: Hashable) -> None:
        window = self._open.pop(key, None)
        if self._uncounted:
            logger.bind(refusals=self._uncounted).warning("refusals not recorded, too many of different kinds at once")
            self._uncounted = 0
        if window is None or not window.further:
            return
        task = asyncio.get_running_loop().create_task(self._flush(window))
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush(self, window: _Window[Refusal]) -> None:
        try:
            await self._record(window.last, window.further)
        except Exception as error:  # noqa: BLE001  nobody waits for this; what is lost is at least said
            self._lost(window.further)
            bound = logger.bind(refusals=window.further, error=type(error).__name__)
            bound.error("counted refusals could not be recorded")
