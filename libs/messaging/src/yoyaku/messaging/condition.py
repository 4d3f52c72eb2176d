"""Something a loop depends on and that may be away for a while: when to try again, and how often to say so.

Invariant: one warning when it goes away and one line when it is back, however often it was tried in between.
"""

from typing import Final

from loguru import logger

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0


class Condition:
    """One dependency of one loop."""

    def __init__(self, *, away: str, back: str) -> None:
        self._away = away
        self._back = back
        self._pause_seconds = 0.0

    def is_away(self, cause: str) -> float:
        """Note that it is away, and return how long to wait before the next try (seconds, growing)."""
        if self._pause_seconds == 0.0:
            logger.bind(cause=cause).warning(self._away)
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, self._pause_seconds * 2))
        return self._pause_seconds

    def is_back(self) -> None:
        """Note that it answered."""
        if self._pause_seconds:
            self._pause_seconds = 0.0
            logger.info(self._back)
