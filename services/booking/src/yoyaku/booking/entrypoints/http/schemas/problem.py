"""Refusals (RFC 9457)."""

from pydantic import ConfigDict, Field

from yoyaku.booking.entrypoints.http.schemas.fields import Output


class FieldError(Output):
    """One field that is not valid."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    field: str
    code: str
    """Stable, for programs."""
    message: str
    """For people, in the language asked for."""


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
