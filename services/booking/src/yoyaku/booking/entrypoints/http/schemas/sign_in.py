"""Signing in."""

from typing import Annotated

from pydantic import Field, StringConstraints

from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL, Input, Output


class LogInInput(Input):
    """A user id and a password."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL)] = Field(
        examples=["hanako"]
    )
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(examples=["a long passphrase"])


class AccessTokenOutput(Output):
    """An access token (JWT, EdDSA) to send as `Authorization: Bearer`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  the name of the scheme
    expires_in: int
    """Seconds from now."""
