"""Times as people write them in files: with an offset, or by a clock that has to be named.

Invariant: a local time that does not exist, or exists twice, is not guessed at.
"""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?", re.IGNORECASE | re.ASCII
)

NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that could not be read, whose fault is told elsewhere."""


class MomentError(ValueError):
    """The text is no time; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_moment(text: str, zone: ZoneInfo | None) -> datetime:
    """Return the time in UTC; without an offset it is by the clock of `zone`. Raises MomentError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise MomentError("bad-moment")
    day, clock, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(offset or '').upper()}")
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if zone is None:
            raise MomentError("no-time-zone")
        return _by_clock(moment, zone)
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, MomentError) else MomentError("bad-moment") from error


def _by_clock(local: datetime, zone: ZoneInfo) -> datetime:
    earlier = local.replace(tzinfo=zone).astimezone(UTC)
    if earlier.astimezone(zone).replace(tzinfo=None) != local:
        raise MomentError("no-such-local-time")
    if local.replace(tzinfo=zone, fold=1).astimezone(UTC) != earlier:
        raise MomentError("local-time-twice")
    return earlier


def is_time_zone(name: str) -> bool:
    """Say whether this is an IANA zone by region and place, or UTC."""
    return name in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")
