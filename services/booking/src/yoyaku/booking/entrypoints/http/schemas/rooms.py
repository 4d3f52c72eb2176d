"""Rooms."""

from typing import Annotated, Any, Self, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from yoyaku.booking.domain.errors import RuleBrokenError, Violation
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.opening_hours import SPANS_LIMIT, WEEKDAYS, OpeningHours, read_hours
from yoyaku.booking.domain.room import BUFFER_LIMIT_MINUTES, CAPACITY_LIMIT, FEATURES_LIMIT, NewRoom, Room
from yoyaku.booking.entrypoints.http.schemas.fields import (
    NO_CONTROL,
    Input,
    LocalTime,
    Name,
    Output,
    RoomId,
    UtcTime,
    utc_text,
)
from yoyaku.booking.usecases.change_room import Changed, RoomChange
from yoyaku.booking.usecases.ports.rooms import Site

_CLOCK = r"^([01][0-9]:[0-5][0-9]|2[0-3]:[0-5][0-9]|24:00)$"
Clock = Annotated[
    str,
    StringConstraints(max_length=5),
    Field(json_schema_extra={"pattern": _CLOCK}, description="By the room's own clock; `24:00` ends a day."),
]
Span = Annotated[tuple[Clock, Clock], Field(examples=[["09:00", "18:00"]])]
DayHours = Annotated[list[Span], Field(max_length=SPANS_LIMIT)]
Capacity = Annotated[int, Field(ge=1, le=CAPACITY_LIMIT)]
ZoneName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL)]
Features = Annotated[list[Name], Field(max_length=FEATURES_LIMIT)]
Buffer = Annotated[int, Field(ge=0, le=BUFFER_LIMIT_MINUTES)]


class OpeningHoursInput(Input):
    """From when until when a room is open, each day of the week; on half hours. A day that is left out is closed."""

    mon: DayHours = Field(default_factory=list)
    tue: DayHours = Field(default_factory=list)
    wed: DayHours = Field(default_factory=list)
    thu: DayHours = Field(default_factory=list)
    fri: DayHours = Field(default_factory=list)
    sat: DayHours = Field(default_factory=list)
    sun: DayHours = Field(default_factory=list)

    def read(self) -> tuple[OpeningHours | None, list[Violation]]:
        """Return the hours, or every rule they break."""
        return read_hours({name: getattr(self, name) for name in WEEKDAYS})


class CreateRoomInput(Input):
    """A room that is to be booked."""

    name: Name = Field(examples=["Fuji"])
    site: Name = Field(examples=["Tokyo"])
    capacity: Capacity = Field(examples=[8])
    time_zone: ZoneName = Field(examples=["Asia/Tokyo"])
    """IANA name."""
    features: Features = Field(default_factory=list, examples=[["projector"]])
    buffer_before_minutes: Buffer = 0
    """Minutes kept free before each reservation."""
    buffer_after_minutes: Buffer = 0
    """Minutes kept free after each reservation."""
    opening_hours: OpeningHoursInput | None = None
    """Null is always open. Buffers may lie outside."""

    def wanted(self) -> NewRoom:
        """Return what the use case takes. Raises RuleBrokenError naming everything that is wrong."""
        hours, broken = self.opening_hours.read() if self.opening_hours else (None, [])
        room = NewRoom(
            name=self.name,
            site=self.site,
            capacity=self.capacity,
            time_zone=self.time_zone,
            features=tuple(self.features),
            buffer_before_minutes=self.buffer_before_minutes,
            buffer_after_minutes=self.buffer_after_minutes,
            opening_hours=hours,
        )
        if broken:
            raise RuleBrokenError([*room.broken_rules(), *broken])
        return room


def _absent() -> Any:
    """Stand where nothing was sent; never read, because only what was sent is."""
    return None


class ChangeRoomInput(Input):
    """What is to be another about a room; what is left out stays."""

    name: Name = Field(default_factory=_absent, examples=["Fuji"])
    site: Name = Field(default_factory=_absent, examples=["Tokyo"])
    capacity: Capacity = Field(default_factory=_absent, examples=[8])
    time_zone: ZoneName = Field(default_factory=_absent, examples=["Asia/Tokyo"])
    """IANA name."""
    features: Features = Field(default_factory=_absent, examples=[["projector"]])
    buffer_before_minutes: Buffer = Field(default_factory=_absent)
    """Minutes kept free before each reservation."""
    buffer_after_minutes: Buffer = Field(default_factory=_absent)
    """Minutes kept free after each reservation."""
    opening_hours: OpeningHoursInput | None = Field(default_factory=_absent)
    """Null is always open. Buffers may lie outside."""

    def wanted(self) -> RoomChange:
        """Return what the use case takes. Raises RuleBrokenError naming every rule that the opening hours break."""
        sent: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "features" in sent:
            sent["features"] = tuple(sent["features"])
        if sent.get("opening_hours") is not None:
            sent["opening_hours"], broken = sent["opening_hours"].read()
            if broken:
                raise RuleBrokenError(broken)
        return cast("RoomChange", sent)


class RetireRoomInput(Input):
    """Why a room takes no bookings any more."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_CONTROL)] = Field(
        examples=["Moved to another building"]
    )
    force: bool = False
    """Cancel the accepted reservations that are not over, with the reason."""


class RetirementOutput(Output):
    """Since when a room takes no bookings, and why."""

    at: UtcTime
    reason: str


class RoomOutput(Output):
    """A room."""

    id: RoomId
    name: str
    site: str
    capacity: int
    time_zone: str
    features: tuple[str, ...]
    buffer_before_minutes: int
    buffer_after_minutes: int
    opening_hours: dict[str, list[Span]] | None
    """By day, `mon` to `sun`; null is always open."""
    active: bool
    retirement: RetirementOutput | None
    version: int
    """Also the `ETag`; grows with each change and each closure."""
    created_at: UtcTime

    @classmethod
    def of(cls, room: Room) -> Self:
        """Show a room."""
        retirement = room.retirement
        return cls(
            id=room.id,
            name=room.name,
            site=room.site,
            capacity=room.capacity,
            time_zone=room.time_zone,
            features=room.features,
            buffer_before_minutes=room.buffer_before_minutes,
            buffer_after_minutes=room.buffer_after_minutes,
            opening_hours=room.opening_hours.as_texts() if room.opening_hours else None,
            active=room.active,
            retirement=RetirementOutput(at=retirement.at, reason=retirement.reason) if retirement else None,
            version=room.version,
            created_at=room.created_at,
        )


class IntervalOutput(Output):
    """From one instant to another, the end not included."""

    starts_at: UtcTime
    ends_at: UtcTime
    starts_at_local: LocalTime
    ends_at_local: LocalTime


def show_interval(interval: Interval, zone: ZoneInfo) -> dict[str, str]:
    """Show an interval as `IntervalOutput`: a plain mapping, because a month of days has many."""
    return {
        "starts_at": utc_text(interval.starts_at),
        "ends_at": utc_text(interval.ends_at),
        "starts_at_local": interval.starts_at.astimezone(zone).isoformat(),
        "ends_at_local": interval.ends_at.astimezone(zone).isoformat(),
    }


class ListedRoomOutput(RoomOutput):
    """A room in a list."""

    open: list[IntervalOutput] | None = None
    """When it is open on the day asked for: opening hours without closures; null when no day was asked for."""


class DaysOutput(Output):
    """The day asked for, and where the same list of the days beside it is."""

    date: str = Field(examples=["2026-04-01"])
    previous: str = Field(examples=["/api/v1/rooms?date=2026-03-31"])
    next: str = Field(examples=["/api/v1/rooms?date=2026-04-02"])


class RoomList(Output):
    """A page of rooms by id; `Link` names the next one."""

    items: list[ListedRoomOutput]
    days: DaysOutput | None = None
    """Null when no day was asked for."""


class ConflictOutput(Output):
    """An accepted reservation that does not fit the rules of its room as they are now."""

    reservation_id: UUID
    starts_at: UtcTime
    ends_at: UtcTime
    rules: list[str] = Field(examples=[["outside-opening-hours"]])
    """The codes of the rules it would break if it were placed now, and `buffer-too-short`."""


class ChangedRoomOutput(Output):
    """A room as changed. Accepted reservations stay accepted; those that do not fit any more are named."""

    room: RoomOutput
    conflicts: list[ConflictOutput]
    """By start, 100 at most."""
    total_conflicts: int

    @classmethod
    def of(cls, changed: Changed) -> Self:
        """Show what became of a room."""
        return cls(
            room=RoomOutput.of(changed.room),
            conflicts=[
                ConflictOutput(
                    reservation_id=conflict.reservation.id,
                    starts_at=conflict.reservation.interval.starts_at,
                    ends_at=conflict.reservation.interval.ends_at,
                    rules=list(conflict.rules),
                )
                for conflict in changed.conflicts
            ],
            total_conflicts=changed.total,
        )


class RetiredRoomOutput(Output):
    """A room that takes no bookings any more."""

    room: RoomOutput
    cancelled_reservations: int


class SiteOutput(Output):
    """A place with rooms."""

    site: str
    rooms: int
    """How many are in use."""
    time_zones: tuple[str, ...]

    @classmethod
    def of(cls, site: Site) -> Self:
        """Show a site."""
        return cls(site=site.site, rooms=site.rooms, time_zones=site.time_zones)


class SiteList(Output):
    """Every site by name."""

    items: list[SiteOutput]
