"""The kinds of field that requests and answers share."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from yoyaku.booking.domain.room import NAME_LENGTH

NO_CONTROL: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"


NO_CONTROL_BUT_LINES: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"


INT32_MAX: Final = 2**31 - 1


def utc_text(moment: datetime) -> str:
    """Write a moment in UTC, as RFC 3339 with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


InputTime = Annotated[AwareDatetime, Field(examples=["2026-04-01T09:00:00+09:00"])]


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
