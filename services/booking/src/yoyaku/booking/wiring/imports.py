"""The import from files: reading them, and the transaction they go into."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.adapters.files.moments import is_time_zone
from yoyaku.booking.adapters.files.records import Defaults, read_bookings, read_people, read_rooms
from yoyaku.booking.adapters.icalendar.bookings import read_calendar
from yoyaku.booking.adapters.postgres.imports import PostgresImportTransactions
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.settings import PACKAGE, DatabaseSettings
from yoyaku.booking.usecases.import_records import ImportRecords
from yoyaku.booking.usecases.ports.imports import BookingRow, Fault, Line, Parsed, PersonRow, RoomRow
from yoyaku.booking.wiring.outbox import make_outbox
from yoyaku.booking.wiring.secrets import new_id
from yoyaku.lifecycle.process import utc_now
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import connected_pool

FILE_LIMIT_BYTES: Final = 64 * 1024 * 1024
ROWS_LIMIT: Final = 100_000
"""More rows of one kind are no single transaction for a house of this size."""
_HISTORY: Final = BookingPolicy(back=timedelta(days=365 * 1000))
"""What was booked elsewhere may lie in the past."""


class UnknownZoneError(ValueError):
    """There is no such time zone."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of one import, and what they may leave out. Raises UnknownZoneError."""

    rooms: Path | None
    people: Path | None
    reservations: Sequence[Path]
    site: str | None = None
    time_zone: str | None = None
    room: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        if self.time_zone is not None and not is_time_zone(self.time_zone):
            raise UnknownZoneError(f"{self.time_zone} is no IANA time zone, such as Asia/Tokyo")

    def read(self) -> Parsed:
        """Read all files. Raises OSError."""
        zone = ZoneInfo(self.time_zone) if self.time_zone else None
        defaults = Defaults(self.site, zone, self.room, self.owner)
        rooms: list[RoomRow] = []
        people: list[PersonRow] = []
        bookings: list[BookingRow] = []
        room_faults: list[Fault] = []
        people_faults: list[Fault] = []
        faults: list[Fault] = []
        left_out = 0
        if self.rooms is not None:
            rooms, room_faults = read_rooms(str(self.rooms), _bytes_of(self.rooms), defaults)
        if self.people is not None:
            people, people_faults = read_people(str(self.people), _bytes_of(self.people))
        for path in self.reservations:
            if path.suffix.lower() in {".ics", ".ical"}:
                calendar = read_calendar(str(path), _bytes_of(path), defaults)
                bookings += calendar.bookings
                faults += calendar.faults
                left_out += calendar.left_out
            else:
                some, some_faults = read_bookings(str(path), _bytes_of(path), defaults)
                bookings += some
                faults += some_faults
        for rows in (rooms, people, bookings):
            faults += _too_many(rows)
        return Parsed(
            rooms, people, bookings, [*room_faults, *people_faults, *faults], left_out,
            rooms_incomplete=bool(room_faults), people_incomplete=bool(people_faults),
        )  # fmt: skip


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_LIMIT_BYTES + 1)
    if len(data) > FILE_LIMIT_BYTES:
        raise OSError(0, f"the file has more than {FILE_LIMIT_BYTES} bytes", str(path))
    return data


def _too_many(rows: Sequence[RoomRow | PersonRow | BookingRow]) -> list[Fault]:
    if len(rows) <= ROWS_LIMIT:
        return []
    line: Line = rows[ROWS_LIMIT].line
    return [Fault(line, "file", "too-many-rows", {"limit": ROWS_LIMIT})]


@asynccontextmanager
async def importer(settings: DatabaseSettings) -> AsyncIterator[ImportRecords]:
    """Yield the import; its events wait for the worker."""
    async with (
        connected_pool(settings.database, application_name="booking-import") as pool,
        Argon2Passwords(threads=1, waiting_limit=0) as passwords,
    ):
        await check_head(pool, PACKAGE)
        yield ImportRecords(
            PostgresImportTransactions(pool, make_outbox()), passwords, _HISTORY, _nobody_knows, new_id, utc_now
        )


def _nobody_knows() -> str:
    return secrets.token_urlsafe(48)
