"""What a booking and a password must satisfy.

Invariant: every broken rule is named, with its field, a stable code, and the number that would pass.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import RoomNotBookableError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import GRID, YEARS, Interval, is_on_grid
from yoyaku.booking.domain.opening_hours import OpeningHours
from yoyaku.booking.domain.room import Room

MAX_DURATION: Final = timedelta(hours=8)
NEXT_OPENING_WITHIN: Final = timedelta(days=8)
"""How far around a booking outside the opening hours the nearest opening is looked for: each week has one."""
_HOURS_JUDGED: Final = timedelta(days=1)
CLOSURES_NAMED: Final = 10
"""How many closures that a booking runs into are named."""
PASSWORD_SHORTEST: Final = 12
PASSWORD_LONGEST: Final = 128
_DECORATION: Final = "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
USER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    """The booking window (BK-02). `ahead` of None means that there is no limit."""

    back: timedelta = timedelta(days=1)
    ahead: timedelta | None = None

    def judge(
        self, starts_at: datetime, ends_at: datetime, room: Room, now: datetime, also: Sequence[Violation] = ()
    ) -> Interval:
        """Return the interval when the room may be booked for it.

        Every broken rule is named at once, with those in `also` that the request breaks besides. Raises RuleBrokenError
        when any of them is about the request alone, RoomNotBookableError when all are about the room at that time
        (decision 0066).
        """
        absurd = [
            Violation(name, "absurd-time", {"max_year": YEARS[-1]})
            for name, at in (("starts_at", starts_at), ("ends_at", ends_at))
            if at.year not in YEARS
        ]
        if absurd:
            raise RuleBrokenError([*also, *absurd])
        starts_at, ends_at = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
        of_request = [*also, *self._window(starts_at, now), *_shape(starts_at, ends_at, room.zone)]
        of_room = rules_of_room(Interval(starts_at, ends_at), room) if starts_at < ends_at else _retired(room)
        if of_request:
            raise RuleBrokenError([*of_request, *of_room])
        if of_room:
            raise RoomNotBookableError(of_room)
        return Interval(starts_at, ends_at)

    def _window(self, starts_at: datetime, now: datetime) -> list[Violation]:
        if starts_at < now - self.back:
            return [Violation("starts_at", "too-far-back", {"max_hours_back": _hours(self.back)})]
        if self.ahead is not None and starts_at > now + self.ahead:
            return [Violation("starts_at", "too-far-ahead", {"max_hours_ahead": _hours(self.ahead)})]
        return []


def rules_of_room(interval: Interval, room: Room) -> list[Violation]:
    """Name every rule of the room that a booking of the interval breaks: retired, opening hours, closures.

    Only the interval counts, not its buffers: they may lie outside the opening hours and in a closure.
    """
    broken = _retired(room)
    hours = room.opening_hours
    # A request for years is refused for its length; its days are not walked.
    if (
        hours is not None
        and interval.duration <= _HOURS_JUDGED
        and not hours.covers(interval.starts_at, interval.ends_at, room.zone)
    ):
        broken += _outside(interval, hours, room.zone)
    closed = [closure for closure in room.closures if closure.interval.overlaps(interval)]
    return broken + [_closed(closure, interval, room.zone) for closure in closed[:CLOSURES_NAMED]]


def conflicts_with(room: Room, reservation: Interval, following: Interval | None) -> list[str]:
    """Name the rules that an accepted reservation breaks by the room as it is now; `following` is the next one there.

    Nothing is done about it: accepted is accepted, until somebody moves or cancels it (decision 0066).
    """
    codes = {violation.code for violation in rules_of_room(reservation, room)}
    if not all(is_on_grid(at, room.zone) for at in (reservation.starts_at, reservation.ends_at)):
        codes.add("off-grid")
    if following is not None and room.occupied_by(reservation).overlaps(room.occupied_by(following)):
        codes.add("buffer-too-short")
    return sorted(codes)


def _retired(room: Room) -> list[Violation]:
    return [] if room.active else [Violation("room_id", "room-retired")]


def _outside(interval: Interval, hours: OpeningHours, zone: ZoneInfo) -> list[Violation]:
    """Name the ends that lie outside, with the opening next to the booking, as the room's clock shows it."""
    around = interval.widened(NEXT_OPENING_WITHIN, NEXT_OPENING_WITHIN)
    nearest = min(hours.intervals(around, zone), key=lambda opening: _apart(opening, interval), default=None)
    if nearest is None:
        return [Violation("starts_at", "not-open-then")]
    opens, closes = nearest.starts_at.astimezone(zone), nearest.ends_at.astimezone(zone)
    facts = {
        "date": opens.date().isoformat(),
        "opens": opens.strftime("%H:%M"),
        "closes": "24:00" if closes.hour == closes.minute == 0 else closes.strftime("%H:%M"),
        "opens_at": opens.isoformat(),
        "closes_at": closes.isoformat(),
    }
    broken = []
    if not nearest.starts_at <= interval.starts_at < nearest.ends_at:
        broken.append(Violation("starts_at", "outside-opening-hours", facts))
    if not nearest.starts_at < interval.ends_at <= nearest.ends_at:
        broken.append(Violation("ends_at", "outside-opening-hours", facts))
    return broken


def _apart(opening: Interval, interval: Interval) -> tuple[timedelta, timedelta]:
    """Order openings: those that share most with the interval first, then those that are nearest."""
    shared = min(opening.ends_at, interval.ends_at) - max(opening.starts_at, interval.starts_at)
    return -shared, abs(opening.starts_at - interval.starts_at)


def _closed(closure: Closure, interval: Interval, zone: ZoneInfo) -> Violation:
    closed = closure.interval
    field = "starts_at" if closed.contains(interval.starts_at) else "ends_at"
    facts = {
        "closure_id": str(closure.id),
        "reason": closure.reason,
        "closed_from": closed.starts_at.astimezone(zone).isoformat(),
        "until": closed.ends_at.astimezone(zone).isoformat(),
    }
    return Violation(field, "closed", facts)


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


def check_password(password: str, user_id: str, common: Collection[str], *, field: str = "password") -> list[Violation]:
    """Name what is wrong with a new password (ID-02). `common` holds known passwords in lower case."""
    if len(password) < PASSWORD_SHORTEST:
        return [Violation(field, "too-short", {"min_length": PASSWORD_SHORTEST})]
    if len(password) > PASSWORD_LONGEST:
        return [Violation(field, "too-long", {"max_length": PASSWORD_LONGEST})]
    if _is_guessable(password.casefold(), user_id.casefold(), common):
        return [Violation(field, "too-common")]
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
