"""What is wrong with a line of an import, for the people at the terminal."""

from collections.abc import Mapping
from typing import Any, Final

from yoyaku.booking.entrypoints.http.texts.catalogue import FIELD_TEXTS
from yoyaku.booking.entrypoints.http.texts.language import ENGLISH
from yoyaku.booking.usecases.ports.imports import Fault

_TEXTS: Final[Mapping[str, str]] = {
    "not-utf8": "this is not UTF-8",
    "not-csv": "this cannot be read as CSV: {cause}",
    "no-header": "the file has no header row",
    "column-twice": "the column stands there twice",
    "column-unknown": "there is no such column; known are {known}",
    "column-forbidden": "passwords are never imported: an ADMIN resets them afterwards",
    "column-missing": "the column is missing, and no option stands in for it",
    "wrong-cell-count": "the row has {cells} cells where the header has {columns}",
    "hidden-character": "the text holds {character}, which people cannot see",
    "bad-number": "a whole number from {lowest} to {highest} is needed",
    "too-many": "at most {limit} are allowed",
    "too-many-rows": "at most {limit} rows of a kind can be imported at once",
    "bad-role": "USER or OPERATOR is needed; ADMINs are made by ADMINs",
    "bad-moment": "a time such as 2026-04-01T09:00+09:00 is needed",
    "no-time-zone": "the time says no offset; name the clock with --time-zone",
    "no-such-local-time": "clocks were put forward and skipped this time; give it with its offset",
    "local-time-twice": "clocks were put back and showed this time twice; give it with its offset",
    "not-icalendar": "this is not iCalendar",
    "not-a-content-line": "this is no line of iCalendar",
    "too-deep": "components are nested too deeply",
    "wrong-end": "this END has no BEGIN of its own",
    "no-end": "this component has no END",
    "unsupported-component": "only VEVENT can be imported",
    "unsupported-status": "only CONFIRMED and CANCELLED can be imported",
    "repeats": "repeating events are not supported: expand them first",
    "all-day": "all-day events are not supported: give times",
    "property-twice": "this stands there twice",
    "end-twice": "give DTEND or DURATION, not both",
    "bad-duration": "this is no duration",
    "no-room": "the event has no LOCATION; name the room with --room",
    "no-owner": "the event has no ORGANIZER with a mailto: address; name somebody with --owner",
    "unknown-room": "there is no room {room!r}, neither stored nor in the files",
    "room-at-several-sites": "several sites have a room {room!r}; name the site",
    "unknown-person": "nobody has the user id {user_id!r}, neither stored nor in the files",
    "twice-in-files": "this stands at {other} already",
    "changed-since-import": "this was imported before with other contents, as reservation {reservation_id}",
    "overlaps-in-files": "this overlaps with {other}, buffers included",
    "overlaps-stored": "this overlaps with reservation {reservation_id} at {starts_at}, buffers included",
    "changed-meanwhile": "somebody changed this during the import; run it again",
}


def text_of(fault: Fault) -> str:
    """Say in English what is wrong."""
    known: str | None = _TEXTS.get(fault.code)
    if known is None:
        known = FIELD_TEXTS[fault.code][ENGLISH]
    return known.format_map(fault.facts)


def json_of(fault: Fault) -> dict[str, Any]:
    """Write the fault for programs."""
    return {
        **fault.facts,
        "file": fault.line.file,
        "line": fault.line.number,
        "field": fault.field,
        "code": fault.code,
        "message": text_of(fault),
    }
