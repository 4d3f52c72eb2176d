"""What every question and every answer between services has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RpcRequest(BaseModel):
    """A question: frozen, refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RpcReply(BaseModel):
    """An answer: frozen, ignores unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class RpcError(RpcReply):
    """The answer to a question that could not be answered."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    """Stable, for programs: `invalid_request`, `busy`, `internal_error` and those of each question."""
    detail: str
    """For people, without secrets."""
