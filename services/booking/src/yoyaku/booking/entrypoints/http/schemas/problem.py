"""Refusals (RFC 9457)."""

from typing import Any

from pydantic import ConfigDict, Field

from yoyaku.booking.domain.alternative import Alternative, AlternativeKind
from yoyaku.booking.entrypoints.http.schemas.fields import LocalTime, Output, RoomId, UtcTime, utc_text


class FieldError(Output):
    """One field that is not valid."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    field: str
    code: str
    """Stable, for programs."""
    message: str
    """For people, in the language asked for."""


class AlternativeOutput(Output):
    """What may be booked instead: the same room at another time of the day, or a like room at that time."""

    room_id: RoomId
    room_name: str
    starts_at: UtcTime
    ends_at: UtcTime
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    kind: AlternativeKind


def show_alternative(alternative: Alternative) -> dict[str, Any]:
    """Show a room and an interval that were free a moment ago."""
    interval, zone = alternative.interval, alternative.zone
    return {
        "room_id": alternative.room_id,
        "room_name": alternative.room_name,
        "starts_at": utc_text(interval.starts_at),
        "ends_at": utc_text(interval.ends_at),
        "starts_at_local": interval.starts_at.astimezone(zone).isoformat(),
        "ends_at_local": interval.ends_at.astimezone(zone).isoformat(),
        "kind": alternative.kind.value,
    }


class ProblemOutput(Output):
    """A refusal (RFC 9457). Further members may carry facts."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    type: str = Field(examples=["urn:yoyaku:problem:room-already-reserved"])
    title: str
    status: int
    code: str = Field(examples=["room-already-reserved"])
    trace_id: str | None
    detail: str | None = None
    errors: list[FieldError] | None = None
    alternatives: list[AlternativeOutput] | None = None
    """At most three, with `room-already-reserved`; they were free a moment ago."""
