"""Exporters that cannot reach their collector complain for every batch; once a minute is enough."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 60.0


class ComplaintLimit:
    """Admits one record a minute for each complaining logger; retries announced by the exporters are not news."""

    def __init__(
        self, *, interval_seconds: float = INTERVAL_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._next: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}
        self._lock = threading.Lock()

    def admit(self, record: logging.LogRecord) -> int | None:
        """Return how many were held back since the last admitted one of its kind, or None to hold this one back too."""
        if record.levelno < logging.WARNING or str(record.msg).startswith("Transient error"):
            return None if record.levelno >= logging.WARNING else 0
        with self._lock:
            now = self._clock()
            if now < self._next.get(record.name, float("-inf")):
                self._suppressed[record.name] = self._suppressed.get(record.name, 0) + 1
                return None
            self._next[record.name] = now + self._interval_seconds
            return self._suppressed.pop(record.name, 0)
