"""Rooms, their closures, and when they are free."""

from datetime import date, datetime

from yoyaku.client.models.answer import Answer, Versioned


class Interval(Answer):
    """A time in which a new booking may lie, also by the room's own clock."""

    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    ends_at_local: datetime


class Busy(Interval):
    """A time that is taken."""

    kind: str = "reservation"
    """reservation, buffer, closure or outside-hours."""


class Day(Answer):
    """One day of a room by its own clock."""

    date: date
    free: tuple[Interval, ...]
    busy: tuple[Busy, ...]


class Availability(Answer):
    """When a room is free, day by day."""

    room_id: int
    time_zone: str
    days: tuple[Day, ...]


class Retirement(Answer):
    """Since when a room takes no bookings any more, and why."""

    at: datetime
    reason: str


class Room(Versioned):
    """A room."""

    id: int
    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...] = ()
    opening_hours: dict[str, list[tuple[str, str]]] | None = None
    """By weekday (`mon` … `sun`), in the room's local time; None is always open."""
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    active: bool = True
    retirement: Retirement | None = None


class RetiredRoom(Answer):
    """A room that was just retired, and how many reservations that cancelled."""

    room: Room
    cancelled_reservations: int = 0


class Site(Answer):
    """A place with rooms."""

    site: str
    rooms: int
    time_zones: tuple[str, ...] = ()


class RuleConflict(Answer):
    """An accepted reservation that breaks rules which were changed under it; it stays."""

    reservation_id: str
    starts_at: datetime
    ends_at: datetime
    rules: tuple[str, ...] = ()


class RoomChange(Answer):
    """A changed room, and the accepted reservations that its new rules would refuse."""

    room: Room
    conflicts: tuple[RuleConflict, ...] = ()
    """By start; the first ones when there are many."""
    total_conflicts: int = 0


class Closure(Answer):
    """A time in which a room cannot be booked."""

    id: str
    starts_at: datetime
    ends_at: datetime
    reason: str = ""
    cancelled_reservations: int = 0
    """How many a forced closure cancelled; told once, when it is made."""
