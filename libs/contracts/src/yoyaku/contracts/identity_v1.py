"""Facts about people and their sign-ins. Never what a person typed."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.subjects import (
    IDENTITY_ACCESS_DENIED_V1,
    IDENTITY_LOGIN_FAILED_V1,
    IDENTITY_LOGIN_SUCCEEDED_V1,
    IDENTITY_PERSON_CREATED_V1,
)
from yoyaku.contracts.values import ClientAddress, Identifier

Digest = Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[0-9A-Za-z_=-]+$")]
"""A digest as text, hex or base64url."""


class Role(StrEnum):
    """What a person may do (ID-05)."""

    USER = "USER"
    """Books rooms."""
    ADMIN = "ADMIN"
    """Manages rooms and people, and acts on incidents."""
    OPERATOR = "OPERATOR"
    """Reads operations and changes nothing."""


class LoginFailureReason(StrEnum):
    """Why a sign-in was refused."""

    UNKNOWN_USER = "unknown_user"
    """Nobody has that user id."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason, no password
    """The user id exists, the password does not fit."""
    DISABLED = "disabled"
    """The person may not sign in any more."""
    BLOCKED = "blocked"
    """The client is blocked; the password was not looked at."""


class PersonCreated(Event):
    """A person may sign in from now on."""

    TYPE: ClassVar[str] = IDENTITY_PERSON_CREATED_V1

    person_id: Identifier
    role: Role


class LoginSucceeded(Event):
    """A person signed in."""

    TYPE: ClassVar[str] = IDENTITY_LOGIN_SUCCEEDED_V1

    person_id: Identifier
    client_address: ClientAddress
    user_agent_digest: Digest | None = None
    """Digest of the client program's self-description."""


class LoginFailed(Event):
    """A sign-in was refused."""

    TYPE: ClassVar[str] = IDENTITY_LOGIN_FAILED_V1

    user_id_digest: Digest
    """Keyed hash of the user id that was typed: people type passwords there."""
    person_id: Identifier | None
    """Whose user id it was, when somebody has it."""
    client_address: ClientAddress
    reason: LoginFailureReason


class AccessDenied(Event):
    """A signed-in person asked for what their role or ownership does not allow."""

    TYPE: ClassVar[str] = IDENTITY_ACCESS_DENIED_V1

    person_id: Identifier
    action: Annotated[str, Field(min_length=1, max_length=200)]
    """What was asked for, as the gateway names it."""
    client_address: ClientAddress
