"""What the gateways watch: access tokens refused before they expire, in the KV bucket `denied_tokens`.

Booking writes them after the commit that denied, with a TTL until no such token is left; every gateway process keeps
them in memory. Invariant: the same thing denied has the same key, whoever computes it; a denial is never taken back.
"""

import base64
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yoyaku.contracts.subjects import KV_DENIED_TOKENS
from yoyaku.contracts.values import Moment

__all__ = ["KV_DENIED_TOKENS", "DenialKind", "DenialValue", "InvalidDenialError", "denial_key"]


class InvalidDenialError(ValueError):
    """A value in the bucket is no denial."""


class DenialKind(StrEnum):
    """What is denied."""

    TOKEN = "token"  # noqa: S105  a kind, no token
    """One access token, by its `jti`."""
    SESSION = "session"
    """Every access token of a session, by its `sid`."""
    PERSON = "person"
    """Every access token of a person, by its `sub`, that was issued before a moment."""


class DenialValue(BaseModel):
    """A denial in force. Frozen; unknown fields are ignored, so that one process may be newer than another."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    kind: DenialKind
    value: Annotated[str, Field(min_length=1, max_length=128)]
    """The `jti`, `sid` or `sub` of the tokens."""
    not_before: Moment | None = None
    """For a person: tokens whose `iat` is before this moment are denied."""
    until: Moment
    """From this moment on no such token is valid anyway."""

    def to_bytes(self) -> bytes:
        """Write it as the value of a key."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "DenialValue":
        """Read the value of a key. Raises InvalidDenialError."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as invalid:
            raise InvalidDenialError(str(invalid.error_count())) from None


def denial_key(kind: str, value: str) -> str:
    """Name the key of a denial: unpadded base64url of `kind:value`, since KV refuses `:` in keys."""
    return base64.urlsafe_b64encode(f"{kind}:{value}".encode()).rstrip(b"=").decode()
