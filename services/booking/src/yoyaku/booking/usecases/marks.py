"""Marks: texts that differ when an answer would, which the database tells for a fraction of the answer's cost.

An answer is kept under the mark of the very rows it was made from, and given again while the database says the same
mark (`Reads.own_mark`, `Reads.calendar_mark`). Source of both forms: the functions here.
"""

from collections.abc import Sequence
from datetime import datetime

from yoyaku.booking.domain.availability import RoomCalendar
from yoyaku.booking.usecases.ports.reservations import ReservationEntry


def mark_of_list(entries: Sequence[ReservationEntry]) -> str:
    """Return the mark of reservations in the order of a list: a version stands for all that is shown of one."""
    return ",".join(f"{entry.reservation.id} {entry.reservation.version} {entry.time_zone}" for entry in entries)


def mark_of_calendar(calendar: RoomCalendar) -> str:
    """Return the mark of what keeps a room busy. Closures need no mention: they raise the room's version."""
    holdings = ",".join(
        f"{_epoch(holding.interval.starts_at)} {_epoch(holding.interval.ends_at)} "
        f"{_epoch(holding.occupied.starts_at)} {_epoch(holding.occupied.ends_at)}"
        for holding in calendar.holdings
    )
    return f"{calendar.room.version},{holdings}"


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp())
