"""What the relay remembers of failed publishes: which shards rest and for how long, and what was complained about.

Invariant: a failure that lasts is one warning when it begins and one line when it ends, however often it is met.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from loguru import logger

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0


class ShardPauses:
    """Shards whose last publish failed: they rest, each longer every time, while the others go on."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self._warned: set[str] = set()

    def resting(self) -> list[int]:
        """Name the shards not to be claimed now."""
        now = time.monotonic()
        return [shard for shard, until in self._until.items() if until > now]

    def careful(self) -> frozenset[int]:
        """Name the shards that failed last time: one event of them is tried before more are sent after it."""
        return frozenset(self._seconds)

    def note(self, failures: Mapping[int, str], advanced: Iterable[int]) -> None:
        """Take in a round: why shards stopped, and which shards went forward."""
        for shard in advanced:
            if shard not in failures:
                self._until.pop(shard, None)
                self._seconds.pop(shard, None)
        for shard, failure in failures.items():
            seconds = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, self._seconds.get(shard, 0.0) * 2))
            self._seconds[shard] = seconds
            self._until[shard] = time.monotonic() + seconds
            if failure not in self._warned:
                self._warned.add(failure)
                logger.bind(shard=shard, cause=failure).warning("events cannot be published and wait in the outbox")
        if self._warned and not self._seconds:
            self._warned.clear()
            logger.info("events are published again")
