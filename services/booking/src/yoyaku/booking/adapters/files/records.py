"""Rooms, people and bookings from tables."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from yoyaku.booking.adapters.files.moments import NEVER, MomentError, is_time_zone, read_moment
from yoyaku.booking.adapters.files.tables import Row, read_table
from yoyaku.booking.domain.person import DISPLAY_NAME_LENGTH, Role
from yoyaku.booking.domain.reservation import TITLE_LENGTH
from yoyaku.booking.domain.room import BUFFER_LIMIT_MINUTES, CAPACITY_LIMIT, FEATURES_LIMIT, NAME_LENGTH
from yoyaku.booking.usecases.ports.imports import BookingRow, Fault, PersonRow, RoomRow
from yoyaku.booking.usecases.ports.rooms import NewRoom

EXTERNAL_ID_LENGTH: Final = 255
ROLES: Final = (Role.USER, Role.OPERATOR)
"""An ADMIN who cannot sign in would keep the first one from being made; ADMINs are made by ADMINs."""
_SECRETS: Final = ("password", "password_hash", "passwd")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file may leave out: the site, the clock of times and rooms, and for calendars the room and the owner."""

    site: str | None = None
    zone: ZoneInfo | None = None
    room: str | None = None
    owner: str | None = None


def read_rooms(file: str, data: bytes, defaults: Defaults) -> tuple[list[RoomRow], list[Fault]]:
    """Read rooms.csv."""
    optional = ["features", "buffer_before_minutes", "buffer_after_minutes"]
    required = ["name", "capacity"]
    (optional if defaults.site else required).append("site")
    (optional if defaults.zone else required).append("time_zone")

    def made(cells: "_Cells") -> RoomRow:
        room = NewRoom(
            name=cells.text("name", NAME_LENGTH),
            site=cells.text("site", NAME_LENGTH, defaults.site),
            capacity=cells.number("capacity", 1, CAPACITY_LIMIT),
            time_zone=cells.zone("time_zone", defaults.zone),
            features=cells.list("features"),
            buffer_before_minutes=cells.number("buffer_before_minutes", 0, BUFFER_LIMIT_MINUTES, default=0),
            buffer_after_minutes=cells.number("buffer_after_minutes", 0, BUFFER_LIMIT_MINUTES, default=0),
        )
        return RoomRow(cells.row.line, room)

    return _records(file, data, required, optional, made)


def read_people(file: str, data: bytes) -> tuple[list[PersonRow], list[Fault]]:
    """Read people.csv; a column of passwords is refused."""

    def made(cells: "_Cells") -> PersonRow:
        return PersonRow(
            cells.row.line,
            cells.text("user_id", NAME_LENGTH),
            cells.text("display_name", DISPLAY_NAME_LENGTH),
            cells.role("role"),
        )

    return _records(file, data, ["user_id", "display_name"], ["role"], made)


def read_bookings(file: str, data: bytes, defaults: Defaults) -> tuple[list[BookingRow], list[Fault]]:
    """Read reservations.csv."""

    def made(cells: "_Cells") -> BookingRow:
        return BookingRow(
            line=cells.row.line,
            room=cells.text("room", NAME_LENGTH),
            site=cells.row.cells.get("site", defaults.site),
            user_id=cells.text("user_id", NAME_LENGTH),
            starts_at=cells.moment("starts_at", defaults.zone),
            ends_at=cells.moment("ends_at", defaults.zone),
            title=cells.text("title", TITLE_LENGTH),
            external_id=cells.optional("external_id", EXTERNAL_ID_LENGTH),
        )

    return _records(file, data, ["room", "user_id", "starts_at", "ends_at", "title"], ["site", "external_id"], made)


def _records(
    file: str, data: bytes, required: Collection[str], optional: Collection[str], made: Callable[["_Cells"], _Made]
) -> tuple[list[_Made], list[Fault]]:
    table = read_table(file, data, required=required, optional=optional, forbidden=_SECRETS)
    records: list[_Made] = []
    faults = table.faults
    for row in table.rows:
        cells = _Cells(row)
        record = made(cells)
        if cells.faults:
            faults += cells.faults
        else:
            records.append(record)
    return records, faults


@dataclass(slots=True)
class _Cells:
    """One row being read: each method returns a usable value, and remembers what is wrong with the cell."""

    row: Row
    faults: list[Fault] = field(default_factory=list)

    def text(self, name: str, longest: int, default: str | None = None) -> str:
        text = self.row.cells.get(name, default)
        if text is None:
            self._refuse(name, "required")
            return ""
        if len(text) > longest:
            self._refuse(name, "too-long", max_length=longest)
        return text

    def optional(self, name: str, longest: int) -> str | None:
        return self.text(name, longest) if name in self.row.cells else None

    def number(self, name: str, lowest: int, highest: int, default: int | None = None) -> int:
        text = self.row.cells.get(name)
        if text is None:
            if default is None:
                self._refuse(name, "required")
            return default if default is not None else lowest
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and lowest <= int(text) <= highest):
            self._refuse(name, "bad-number", lowest=lowest, highest=highest)
            return lowest
        return int(text)

    def list(self, name: str) -> tuple[str, ...]:
        items = tuple(sorted({item for part in self.row.cells.get(name, "").split(";") if (item := part.strip())}))
        if len(items) > FEATURES_LIMIT:
            self._refuse(name, "too-many", limit=FEATURES_LIMIT)
        if any(len(item) > NAME_LENGTH for item in items):
            self._refuse(name, "too-long", max_length=NAME_LENGTH)
        return items

    def zone(self, name: str, default: ZoneInfo | None) -> str:
        zone = self.text(name, NAME_LENGTH, default.key if default else None)
        if zone and not is_time_zone(zone):
            self._refuse(name, "unknown-time-zone")
        return zone

    def role(self, name: str) -> Role:
        text = self.row.cells.get(name, Role.USER.value).upper()
        if text not in {role.value for role in ROLES}:
            self._refuse(name, "bad-role")
            return Role.USER
        return Role(text)

    def moment(self, name: str, zone: ZoneInfo | None) -> datetime:
        try:
            return read_moment(self.text(name, NAME_LENGTH), zone)
        except MomentError as error:
            if name in self.row.cells:
                self._refuse(name, error.code)
            return NEVER

    def _refuse(self, name: str, code: str, **facts: int | str) -> None:
        self.faults.append(Fault(self.row.line, name, code, facts))
