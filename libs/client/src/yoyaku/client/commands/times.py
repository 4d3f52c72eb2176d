"""Times as people type them, read by a room's own clock.

Pure: the moment now is an argument. A local time that a change of clocks skips or repeats is refused, never guessed.
"""

import re
import time as system_time
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from yoyaku.client.commands.exits import UsageError

_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_LOCAL: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{1,2}:[0-9]{2})(?::00)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION: Final = re.compile(r"(?:([0-9]{1,3})h)?(?:([0-9]{1,4})m(?:in)?)?")
_MIDNIGHT_AT_THE_END: Final = 24


def read_date(text: str, *, today: date) -> date:
    """Read a date, `today` or `tomorrow`. Raises UsageError."""
    word = text.strip().casefold()
    if word in ("today", "今日"):
        return today
    if word in ("tomorrow", "明日"):
        return today + timedelta(days=1)
    try:
        if _DATE.fullmatch(word):
            return date.fromisoformat(word)
    except ValueError:
        pass
    raise UsageError("bad-date", text=text)


def read_duration(text: str) -> timedelta:
    """Read `1h`, `30m`, `1h30m`. Raises UsageError."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise UsageError("bad-duration", text=text)
    length = timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0))
    if not length:
        raise UsageError("bad-duration", text=text)
    return length


def read_moment(text: str, *, zone: ZoneInfo | None, day: date) -> datetime:
    """Read RFC 3339, or a local time of this zone (None: this machine's), which without a date is one of `day`.

    Returns UTC. Raises UsageError.
    """
    text = text.strip()
    if (found := _TIME.fullmatch(text)) is not None:
        return _local(day, found[0], zone)
    try:
        if (found := _LOCAL.fullmatch(text)) is not None:
            return _local(date.fromisoformat(found[1]), found[2], zone)
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError("bad-time", text=text)


def is_bare_time(text: str) -> bool:
    """Tell whether a text is a time without its day."""
    return _TIME.fullmatch(text.strip()) is not None


def read_interval(
    start: str, end: str | None, length: str | None, *, zone: ZoneInfo, day: date
) -> tuple[datetime, datetime]:
    """Read begin and end. An end without a date is the next such time after the begin. Raises UsageError."""
    if end is not None and length is not None:
        raise UsageError("to-and-for")
    starts_at = read_moment(start, zone=zone, day=day)
    if length is not None:
        return starts_at, later(starts_at, read_duration(length))
    if end is None:
        raise UsageError("to-or-for")
    first_day = starts_at.astimezone(zone).date()
    ends_at = read_moment(end, zone=zone, day=first_day)
    if ends_at <= starts_at and is_bare_time(end):
        ends_at = read_moment(end, zone=zone, day=first_day + timedelta(days=1))
    if ends_at <= starts_at:
        raise UsageError("end-before-start")
    return starts_at, ends_at


def later(moment: datetime, length: timedelta) -> datetime:
    """Return the moment so much later: an hour is an hour, also over a change of clocks. Raises UsageError."""
    try:
        return moment.astimezone(UTC) + length
    except OverflowError:
        raise UsageError("bad-duration", text=str(length)) from None


def _local(day: date, clock: str, zone: ZoneInfo | None) -> datetime:
    hours, minutes = (int(part) for part in clock.split(":"))
    try:
        if (hours, minutes) == (_MIDNIGHT_AT_THE_END, 0):
            day, hours = day + timedelta(days=1), 0
        naive = datetime.combine(day, time(hours, minutes))
        first, second = (_placed(naive.replace(fold=fold), zone) for fold in (0, 1))
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    except (ValueError, OverflowError):
        raise UsageError("bad-time", text=f"{day} {clock}") from None
    if not exists:
        raise UsageError("no-such-local-time", text=f"{day} {clock}", zone=_name(zone))
    if first.utcoffset() != second.utcoffset():
        spelled = {"first": _spelled(first), "second": _spelled(second)}
        raise UsageError("twice-local-time", text=f"{day} {clock}", zone=_name(zone), **spelled)
    return first.astimezone(UTC)


def _placed(naive: datetime, zone: ZoneInfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)


def _name(zone: ZoneInfo | None) -> str:
    return system_time.tzname[0] if zone is None else zone.key


def _spelled(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
