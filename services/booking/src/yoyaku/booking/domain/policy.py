"""What a booking and a password must satisfy.

Invariant: every broken rule is named, with its field, a stable code, and the number that would pass.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.errors import RoomNotBookableError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import GRID, Interval, is_on_grid
from yoyaku.booking.domain.room import Room

MAX_DURATION: Final = timedelta(hours=8)
YEARS: Final = range(2, 9999)
"""The years that leave room for buffers and time zones on both ends of the calendar."""
PASSWORD_SHORTEST: Final = 12
PASSWORD_LONGEST: Final = 128
_DECORATION: Final = "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
USER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    """The booking window (BK-02). `ahead` of None means that there is no limit."""

    back: timedelta = timedelta(days=1)
    ahead: timedelta | None = None

    def judge(self, starts_at: datetime, ends_at: datetime, room: Room, now: datetime) -> Interval:
        """Return the interval when the room may be booked for it.

        Raises RuleBrokenError naming every broken rule, and RoomNotBookableError when the room is retired.
        """
        absurd = [
            Violation(name, "absurd-time", {"max_year": YEARS[-1]})
            for name, at in (("starts_at", starts_at), ("ends_at", ends_at))
            if at.year not in YEARS
        ]
        if absurd:
            raise RuleBrokenError(absurd)
        starts_at, ends_at = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
        broken = [*self._window(starts_at, now), *_shape(starts_at, ends_at, room.zone)]
        if broken:
            raise RuleBrokenError(broken)
        if not room.active:
            raise RoomNotBookableError
        return Interval(starts_at, ends_at)

    def _window(self, starts_at: datetime, now: datetime) -> list[Violation]:
        if starts_at < now - self.back:
            return [Violation("starts_at", "too-far-back", {"max_hours_back": _hours(self.back)})]
        if self.ahead is not None and starts_at > now + self.ahead:
            return [Violation("starts_at", "too-far-ahead", {"max_hours_ahead": _hours(self.ahead)})]
        return []


def _shape(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> list[Violation]:
    broken = [
        Violation(name, "off-grid", {"grid_minutes": int(GRID.total_seconds() // 60)})
        for name, at in (("starts_at", starts_at), ("ends_at", ends_at))
        if not is_on_grid(at, zone)
    ]
    if ends_at <= starts_at:
        broken.append(Violation("ends_at", "not-after-start"))
    elif ends_at - starts_at > MAX_DURATION:
        broken.append(Violation("ends_at", "longer-than-allowed", {"max_hours": _hours(MAX_DURATION)}))
    return broken


def _hours(length: timedelta) -> int:
    return int(length.total_seconds() // 3600)


def check_password(password: str, user_id: str, common: Collection[str]) -> list[Violation]:
    """Name what is wrong with a new password (ID-02). `common` holds known passwords in lower case."""
    if len(password) < PASSWORD_SHORTEST:
        return [Violation("password", "too-short", {"min_length": PASSWORD_SHORTEST})]
    if len(password) > PASSWORD_LONGEST:
        return [Violation("password", "too-long", {"max_length": PASSWORD_LONGEST})]
    if _is_guessable(password.casefold(), user_id.casefold(), common):
        return [Violation("password", "too-common")]
    return []


def _is_guessable(password: str, user_id: str, common: Collection[str]) -> bool:
    """Known words stay known with digits and signs around them, and when they are repeated."""
    stem = password.strip(_DECORATION)
    unit = re.fullmatch(r"(.{1,8}?)\1+.{0,7}?", password, re.DOTALL)
    return password in common or stem in common or stem in {"", user_id} or unit is not None


def check_user_id(user_id: str) -> list[Violation]:
    """Name what is wrong with a new user id: 1 to 64 ASCII letters, digits and `._@+-`, a letter or digit first."""
    if USER_ID.fullmatch(user_id):
        return []
    return [Violation("user_id", "bad-user-id", {"max_length": 64})]
