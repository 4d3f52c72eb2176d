"""Many who ask the same kind of thing at the same time are answered by one query.

Invariant: a query begins after everything it answers was asked, so nobody is told what was so before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")

AT_ONCE: Final = 2
"""Queries under way at the same time; what is asked meanwhile waits and goes together."""
MOST: Final = 64
"""Askers that one query answers."""


class Coalesced(Generic[Key, Found]):
    """Asks `ask` for many keys at once; it answers in their order. Alone, an asker waits for nobody."""

    def __init__(self, ask: Callable[[Sequence[Key]], Awaitable[Sequence[Found]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Key, asyncio.Future[Found]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def __call__(self, key: Key) -> Found:
        """Return what is found for the key. Raises what `ask` raises."""
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._waiting and len(self._asking) < AT_ONCE:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._asking.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._start()

    async def _answer(self, batch: Sequence[tuple[Key, asyncio.Future[Found]]]) -> None:
        try:
            found = await self._ask([key for key, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), one in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(one)
