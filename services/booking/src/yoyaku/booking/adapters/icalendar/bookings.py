"""Bookings from the VEVENTs of an iCalendar file.

Invariant: what this service cannot keep (repetition, days without times, tasks) is refused at the line that asks for
it; nothing is silently made into something else.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from icalendar.prop import vDuration
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from yoyaku.booking.adapters.files.moments import NEVER, is_time_zone
from yoyaku.booking.adapters.files.records import EXTERNAL_ID_LENGTH, Defaults
from yoyaku.booking.adapters.icalendar.lines import Component, Property, read_components
from yoyaku.booking.domain.hidden_character import hidden_character
from yoyaku.booking.domain.reservation import TITLE_LENGTH
from yoyaku.booking.domain.room import NAME_LENGTH
from yoyaku.booking.usecases.ports.imports import BookingRow, Fault, Line

_TIME: Final = re.compile(r"\d{8}T\d{6}Z?", re.ASCII)
_REPEATING: Final = ("RRULE", "RDATE", "EXRULE", "EXDATE", "RECURRENCE-ID")
_ONCE: Final = ("UID", "DTSTART", "DTEND", "DURATION", "SUMMARY", "LOCATION", "ORGANIZER", "STATUS")
_LEFT_ALONE: Final = frozenset({"VTIMEZONE"})
_STATUSES: Final = frozenset({"CONFIRMED", "CANCELLED"})
_LONGEST_PLACE: Final = 2 * NAME_LENGTH + 2


@dataclass(slots=True)
class Calendar:
    """What a file holds: bookings, faults, and how many bookings it says were cancelled."""

    bookings: list[BookingRow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    left_out: int = 0


def read_calendar(file: str, data: bytes, defaults: Defaults) -> Calendar:
    """Read the events of a file."""
    components, faults = read_components(file, data)
    calendar = Calendar(faults=faults)
    for component in components:
        if component.name != "VCALENDAR":
            calendar.faults.append(Fault(component.line, component.name, "not-icalendar"))
            continue
        for inner in component.components:
            if inner.name == "VEVENT":
                _read_event(calendar, inner, defaults)
            elif inner.name not in _LEFT_ALONE:
                calendar.faults.append(Fault(inner.line, inner.name, "unsupported-component"))
    return calendar


def _read_event(calendar: Calendar, event: Component, defaults: Defaults) -> None:
    reading = _Event(event, defaults)
    status = reading.text("STATUS", NAME_LENGTH, default="CONFIRMED").upper()
    if status == "CANCELLED" and not reading.faults:
        calendar.left_out += 1
        return
    if status not in _STATUSES:
        reading.refuse("STATUS", "unsupported-status")
    for name in _REPEATING:
        for given in event.properties:
            if given.name == name:
                reading.faults.append(Fault(given.line, name, "repeats"))
    starts_at = reading.moment("DTSTART")
    booking = BookingRow(
        line=event.line,
        room=reading.text("LOCATION", _LONGEST_PLACE, default=defaults.room),
        site=defaults.site,
        user_id=reading.organizer(),
        owner=defaults.owner,
        starts_at=starts_at,
        ends_at=reading.end(starts_at),
        title=reading.text("SUMMARY", TITLE_LENGTH),
        external_id=reading.text("UID", EXTERNAL_ID_LENGTH),
        lines=reading.lines(),
    )
    calendar.faults += reading.faults
    if not reading.faults:
        calendar.bookings.append(booking)


class _Event:
    """One VEVENT being read: each method returns a usable value and remembers what is wrong."""

    def __init__(self, event: Component, defaults: Defaults) -> None:
        self._event = event
        self._defaults = defaults
        self._found: dict[str, Property] = {}
        self.faults: list[Fault] = []
        for given in event.properties:
            if given.name not in _ONCE:
                continue
            if given.name in self._found:
                self.faults.append(Fault(given.line, given.name, "property-twice"))
            self._found[given.name] = given

    def lines(self) -> dict[str, Line]:
        """Say where the fields of a booking stand."""
        names = {
            "room": "LOCATION",
            "user_id": "ORGANIZER",
            "starts_at": "DTSTART",
            "ends_at": "DTEND" if "DTEND" in self._found else "DURATION",
            "title": "SUMMARY",
            "external_id": "UID",
        }
        return {field: self._line(name) for field, name in names.items()}

    def refuse(self, name: str, code: str, **facts: int | str) -> None:
        """Remember what is wrong with a property."""
        self.faults.append(Fault(self._line(name), name, code, facts))

    def text(self, name: str, longest: int, default: str | None = None) -> str:
        """Return a text that people see."""
        given = self._found.get(name)
        text = given.value.strip() if given else ""
        if not text:
            if default is None:
                self.refuse(name, "no-room" if name == "LOCATION" else "required")
            return default or ""
        if (hidden := hidden_character(text)) is not None:
            self.refuse(name, "hidden-character", character=hidden)
        elif len(text) > longest:
            self.refuse(name, "too-long", max_length=longest)
        return text

    def organizer(self) -> str:
        """Return the user id that the organizer may be; empty when a default owner must do."""
        given = self._found.get("ORGANIZER")
        scheme, _, address = given.value.strip().partition(":") if given else ("", "", "")
        user_id = unquote(address).strip().lower() if scheme.lower() == "mailto" else ""
        if not user_id and self._defaults.owner is None:
            self.refuse("ORGANIZER", "no-owner")
        return user_id[:NAME_LENGTH]

    def moment(self, name: str) -> datetime:
        """Return a time in UTC."""
        given = self._found.get(name)
        if given is None:
            self.refuse(name, "required")
            return NEVER
        if str(given.parameters.get("VALUE", "DATE-TIME")).upper() == "DATE" or "T" not in given.value.upper():
            self.refuse(name, "all-day")
            return NEVER
        text = given.value.strip().upper()
        try:
            if not _TIME.fullmatch(text):
                raise ValueError(text)
            local = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  the zone comes next
            zone = self._zone(given, in_utc=text.endswith("Z"))
            return local.replace(tzinfo=zone).astimezone(UTC) if zone else NEVER
        except (ValueError, OverflowError):
            self.refuse(name, "bad-moment")
            return NEVER

    def end(self, starts_at: datetime) -> datetime:
        """Return the end in UTC, from DTEND or DURATION."""
        if "DURATION" not in self._found:
            return self.moment("DTEND")
        if "DTEND" in self._found:
            self.refuse("DURATION", "end-twice")
            return NEVER
        text = self._found["DURATION"].value.strip().upper()
        try:
            length = vDuration.from_ical(text)  # type: ignore[no-untyped-call]
            return starts_at + cast("timedelta", length)
        except (ValueError, OverflowError):
            self.refuse("DURATION", "bad-duration")
            return NEVER

    def _zone(self, given: Property, *, in_utc: bool) -> ZoneInfo | None:
        name = given.parameters.get("TZID")
        if in_utc:
            return ZoneInfo("UTC")
        if name is None:
            if self._defaults.zone is None:
                self.refuse(given.name, "no-time-zone")
            return self._defaults.zone
        known = WINDOWS_TO_OLSON.get(str(name), str(name))
        if not is_time_zone(known):
            self.refuse(given.name, "unknown-time-zone")
            return None
        return ZoneInfo(known)

    def _line(self, name: str) -> Line:
        given = self._found.get(name)
        return given.line if given else self._event.line
