"""What a reservation may become when it is moved (BK-05, decision 0068).

Invariant: nobody is asked to answer for rules that the move does not touch. What keeps its room and interval is not
judged, what only gives time back is judged for its form, everything else like a new booking.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from yoyaku.booking.domain.errors import RoomNotBookableError, RuleBrokenError, Violation
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Act, Reservation
from yoyaku.booking.domain.room import Room
from yoyaku.booking.domain.visible_text import visible_text

_FORM: Final = frozenset({"absurd-time", "off-grid", "not-after-start"})
"""What is wrong with an interval whatever the room and the day."""
_WINDOW: Final = frozenset({"too-far-back", "too-far-ahead"})
"""What is wrong with a start; a start that stays is not asked."""

_OF_ROOM: Final = frozenset({"room-retired", "not-open-then", "outside-opening-hours", "closed"})
"""What is wrong with the room at that time; alone it is a conflict, not a fault of the request (decision 0066)."""
_NOTHING: Final = frozenset[str]()

Judge = Callable[[datetime, datetime, Room, datetime], Interval]
"""`BookingPolicy.judge`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reservation shall become; None leaves a field as it is. Times are aware."""

    room_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """What a reservation is to hold of its room: `occupied`, buffers included, or what it held when that is None.

    With `within`, never more than it held before: giving time back cannot be refused for a neighbour's sake.
    """

    occupied: Interval | None
    within: bool


KEEP: Final = Hold(None, within=True)


@dataclass(frozen=True, slots=True)
class Move:
    """What a reservation becomes."""

    interval: Interval
    title: str
    hold: Hold


def move(reservation: Reservation, wanted: Wanted, room: Room, now: datetime, judge: Judge) -> Move:
    """Return what the reservation becomes. `room` is the one wanted.

    Raises ReservationAlreadyCancelledError, ReservationEndedError, RuleBrokenError naming every broken rule,
    RoomNotBookableError.
    """
    reservation.status_after(Act.RESCHEDULE, now)
    title = reservation.title if wanted.title is None else visible_text(wanted.title)
    broken = [] if title else [Violation("title", "blank")]
    old = reservation.interval
    starts_at = wanted.starts_at or old.starts_at
    ends_at = wanted.ends_at or old.ends_at
    stays = room.id == reservation.room_id
    if stays and (starts_at, ends_at) == (old.starts_at, old.ends_at):
        if broken:
            raise RuleBrokenError(broken)
        return Move(old, title, KEEP)
    within = stays and old.starts_at <= starts_at and ends_at <= old.ends_at
    if reservation.has_begun(now):
        broken += _too_late(reservation, starts_at, ends_at, room, now)
    broken += _broken(
        partial(judge, starts_at, ends_at, room, now),
        asked=_FORM if within else None,
        spared=_NOTHING if starts_at != old.starts_at else _WINDOW,
    )
    _refuse(broken)
    interval = Interval(starts_at.astimezone(UTC), ends_at.astimezone(UTC))
    return Move(interval, title, Hold(room.occupied_by(interval), within=within))


def return_to(reservation: Reservation, room: Room, now: datetime, judge: Judge) -> Hold:
    """Return what a restored reservation holds: its interval with the buffers of today.

    It is judged like a new booking, but for its start, which may have passed. Raises RuleBrokenError,
    RoomNotBookableError.
    """
    interval = reservation.interval
    judged = partial(judge, interval.starts_at, interval.ends_at, room, now)
    broken = _broken(judged, asked=None, spared=_WINDOW)
    _refuse(broken)
    return Hold(room.occupied_by(interval), within=False)


def _broken(judged: Callable[[], object], *, asked: frozenset[str] | None, spared: frozenset[str]) -> list[Violation]:
    """Return the broken rules that count: those of `asked`, or all when that is None, without those of `spared`."""
    try:
        judged()
    except (RuleBrokenError, RoomNotBookableError) as error:
        return [
            violation
            for violation in error.violations
            if (asked is None or violation.code in asked) and violation.code not in spared
        ]
    return []


def _refuse(broken: Sequence[Violation]) -> None:
    if broken and all(violation.code in _OF_ROOM for violation in broken):
        raise RoomNotBookableError(broken)
    if broken:
        raise RuleBrokenError(broken)


def _too_late(
    reservation: Reservation, starts_at: datetime, ends_at: datetime, room: Room, now: datetime
) -> list[Violation]:
    broken = []
    if starts_at != reservation.interval.starts_at:
        broken.append(Violation("starts_at", "already-begun"))
    if room.id != reservation.room_id:
        broken.append(Violation("room_id", "already-begun"))
    if ends_at <= now:
        broken.append(Violation("ends_at", "already-past"))
    return broken
