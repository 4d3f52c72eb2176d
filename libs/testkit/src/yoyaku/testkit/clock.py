"""A clock that a test sets. Invariant: aware UTC always, and it moves only when told to."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)


class SetClock:
    """Stands where the code takes `now: Callable[[], datetime]`."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    now = __call__

    def advance(self, **parts: float) -> datetime:
        """Move forward by the parts of a timedelta (`seconds=`, `minutes=` ...) and return the new time."""
        self._now += timedelta(**parts)
        return self._now

    def set(self, moment: datetime) -> datetime:
        """Set it to an aware time and return that time in UTC."""
        self._now = moment.astimezone(UTC)
        return self._now
