"""Crashes on purpose: something that is used by its methods, and fails at one of them.

Invariant: a crash is at one moment, just before an operation takes effect or just after, and every later operation of
the same object fails too, as those of a process that is gone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any


class CrashedError(Exception):
    """The process that did this is gone."""


class Faults:
    """Counts operations over all that is wrapped by it, and crashes at the one numbered `at` (from zero).

    `after`: the operation took effect, but nobody was told. Without `at` nothing crashes and `count` tells how many
    operations there were.
    """

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.count = 0
        self.operations: list[str] = []
        self._at = at
        self._after = after

    def wrap(self, target: Any) -> Any:
        """Give an object with the same async methods and async iterators, each call being one operation."""
        return _Faulty(target, self)

    def moments(self, number: int) -> tuple[bool, ...]:
        """Say at which moments a crash makes a difference: only before an operation that changes nothing."""
        changes = self.operations[number].startswith(("put", "record", "delete", "drop", "expire", "mark"))
        return (False, True) if changes and self.operations[number] != "deleted" else (False,)

    def begin(self, name: str) -> bool:
        """Count an operation; whether it crashes after its effect. Raises CrashedError when it crashes before."""
        number, self.count = self.count, self.count + 1
        self.operations.append(name)
        if self._at is None or number < self._at:
            return False
        if number == self._at and self._after:
            return True
        raise CrashedError(f"before {name}")


class _Faulty:
    def __init__(self, target: Any, faults: Faults) -> None:
        self._target = target
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            if hasattr(result, "__aiter__"):
                return self._iterate(name, result)
            return self._await(name, result)

        return call

    async def _await(self, name: str, result: Any) -> Any:
        try:
            crashes = self._faults.begin(name)
        except CrashedError:
            if asyncio.iscoroutine(result):
                result.close()
            raise
        value = await result
        if crashes:
            raise CrashedError(f"after {name}")
        return value

    async def _iterate(self, name: str, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        if self._faults.begin(name):
            raise CrashedError(f"after {name}")
        async for one in result:
            yield one
