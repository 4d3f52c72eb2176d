"""Signing in, refreshing, signing out, and where one is signed in."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from yoyaku.booking.domain.session import Session
from yoyaku.booking.entrypoints.http.schemas.fields import NO_CONTROL, Input, Output, UtcTime
from yoyaku.booking.usecases.issue_tokens import SignedIn

_ACCESS: str = "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"
_REFRESH: str = "mF9xk3J1sXbKZ0y3hQ2v5r8t1w4z7C0F3I6L9O2R5U8"
_RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class LogInInput(Input):
    """A user id and a password."""

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL)] = Field(
        examples=["hanako"]
    )
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(examples=["a long passphrase"])


class RefreshInput(Input):
    """The refresh token that was given last."""

    refresh_token: _RefreshToken = Field(examples=[_REFRESH])


class LogOutInput(Input):
    """The refresh token of the session, for when the access token is over."""

    refresh_token: _RefreshToken | None = Field(default=None, examples=[_REFRESH])


class AccessTokenOutput(Output):
    """Tokens: the access token (JWT, EdDSA) to send as `Authorization: Bearer`, the refresh token to keep secret."""

    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "access_token": _ACCESS,
                    "token_type": "Bearer",
                    "expires_in": 900,
                    "refresh_token": _REFRESH,
                    "refresh_expires_in": 2592000,
                }
            ]
        },
    )

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  the name of the scheme
    expires_in: int
    """Seconds from now."""
    refresh_token: str
    """Good for one `POST /auth/refresh`, which gives the next."""
    refresh_expires_in: int
    """Seconds from now."""

    @classmethod
    def of(cls, signed_in: SignedIn) -> Self:
        """Hand out what was issued."""
        return cls(
            access_token=signed_in.access.text,
            expires_in=signed_in.access.expires_in_seconds,
            refresh_token=signed_in.refresh_token,
            refresh_expires_in=signed_in.refresh_expires_in_seconds,
        )


class SessionOutput(Output):
    """A place where one is signed in."""

    id: UUID
    created_at: UtcTime
    last_used_at: UtcTime
    """When it was opened or refreshed last."""
    expires_at: UtcTime
    """When it is over unless it is refreshed."""
    current: bool
    """Whether this request belongs to it."""
    client_address: str = Field(examples=["192.0.2.7"])
    """Where it was opened or refreshed last."""

    @classmethod
    def of(cls, session: Session, *, current: UUID | None) -> Self:
        """Show a session to its person."""
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            current=session.id == current,
            client_address=session.client_address,
        )


class SessionList(Output):
    """Where one is signed in, the last used first; at most a hundred."""

    items: list[SessionOutput]
