"""The kinds of field that requests and answers share."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from yoyaku.booking.domain.room import NAME_LENGTH

NO_CONTROL: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NO_CONTROL_BUT_LINES: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
INT32_MAX: Final = 2**31 - 1


def utc_text(moment: datetime) -> str:
    """Write a moment in UTC, as RFC 3339 with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 9998
"""A year short of what a calendar holds, so that a moment has a local time in every zone."""

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _to_moment(value: object) -> datetime:
    """Read a date-time of RFC 3339, 5.6: seconds and offset are there, `t` and `z` may be small.

    `-00:00` is UTC whose local time is not known, which is all that is needed here. A leap second is no moment of a
    30-minute grid: refused like every other second there is not.
    """
    moment = None
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value.upper())
    if moment is None:
        raise PydanticCustomError("datetime_parsing", "no date-time of RFC 3339")
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise PydanticCustomError("absurd_time", "no year that a booking may have", {"max_year": LATEST_YEAR})
    return moment


InputTime = Annotated[AwareDatetime, BeforeValidator(_to_moment), Field(examples=["2026-04-01T09:00:00+09:00"])]
UtcTime = Annotated[datetime, PlainSerializer(utc_text, return_type=str), Field(examples=["2026-04-01T00:00:00Z"])]
LocalTime = Annotated[datetime, Field(description="By the room's own clock.", examples=["2026-04-01T09:00:00+09:00"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, pattern=NO_CONTROL)]
RoomId = Annotated[int, Field(ge=1, le=INT32_MAX, examples=[1])]


class Input(BaseModel):
    """What the API takes: strict, without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Output(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)
