"""Facts about people and their sign-ins. Never what a person typed."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.personal import Personal
from yoyaku.contracts.subjects import (
    IDENTITY_ACCESS_DENIED_V1,
    IDENTITY_KEY_REVOKED_V1,
    IDENTITY_KEY_ROTATED_V1,
    IDENTITY_LOGIN_FAILED_V1,
    IDENTITY_LOGIN_SUCCEEDED_V1,
    IDENTITY_PERSON_CHANGED_V1,
    IDENTITY_PERSON_CREATED_V1,
    IDENTITY_PERSON_DISABLED_V1,
    IDENTITY_REQUEST_THROTTLED_V1,
    IDENTITY_SESSION_REVOKED_V1,
    IDENTITY_TOKEN_REFRESHED_V1,
    IDENTITY_TOKEN_REUSED_V1,
)
from yoyaku.contracts.values import Actor, ClientAddress, Code, Identifier, Moment

Digest = Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[0-9A-Za-z_=-]+$")]
UserAgentDigest = Annotated[Digest, Personal()]
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
    user_agent_digest: UserAgentDigest | None = None
    """Digest of the client program's self-description."""
    session_id: Identifier | None = None
    """The session that began."""


class LoginFailed(Event):
    """A sign-in was refused."""

    TYPE: ClassVar[str] = IDENTITY_LOGIN_FAILED_V1

    user_id_digest: Digest
    """Keyed hash of the user id that was typed: people type passwords there."""
    person_id: Identifier | None
    """Whose user id it was, when somebody has it."""
    client_address: ClientAddress
    reason: LoginFailureReason
    user_agent_digest: UserAgentDigest | None = None
    """Digest of the client program's self-description."""


class AccessDenied(Event):
    """A signed-in person asked for what their role or ownership does not allow."""

    TYPE: ClassVar[str] = IDENTITY_ACCESS_DENIED_V1

    person_id: Identifier
    action: Annotated[str, Field(min_length=1, max_length=200)]
    """What was asked for, as the gateway names it."""
    client_address: ClientAddress
    count: Annotated[int, Field(ge=1)] = 1
    """How many such requests this event stands for: further ones of the same second are counted together."""
    user_agent_digest: UserAgentDigest | None = None
    """Digest of the client program's self-description."""


class RevocationReason(StrEnum):
    """Why a session was ended before its time."""

    LOGGED_OUT = "logged_out"
    """Its person asked for it."""
    TOKEN_REUSED = "token_reused"  # noqa: S105 - a reason, no token
    """A refresh token that was used before came again."""
    PERSON_DISABLED = "person_disabled"
    """The person may not sign in any more."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, no password
    """The password is another now."""
    ROLE_CHANGED = "role_changed"
    """The person is trusted with something else now."""
    REVOKED = "revoked"
    """Its person, or an ADMIN, ended it from elsewhere."""


class ThrottleKey(StrEnum):
    """What requests are counted by."""

    PERSON = "person"
    """Who is signed in."""
    ADDRESS = "address"
    """Where the requests come from."""
    ACCOUNT = "account"
    """Whose account the sign-ins are for."""


class PersonChanged(Event):
    """What is known of a person, or the password, changed."""

    TYPE: ClassVar[str] = IDENTITY_PERSON_CHANGED_V1

    person_id: Identifier
    changed: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]
    """The names of the fields that changed, sorted; never their values."""
    role: Role
    """The role from now on."""
    changed_by: Actor


class PersonDisabled(Event):
    """A person may not sign in any more; the open sessions are over."""

    TYPE: ClassVar[str] = IDENTITY_PERSON_DISABLED_V1

    person_id: Identifier
    disabled_by: Actor


class TokenRefreshed(Event):
    """A session got fresh tokens; the refresh token before is used up."""

    TYPE: ClassVar[str] = IDENTITY_TOKEN_REFRESHED_V1

    person_id: Identifier
    session_id: Identifier
    client_address: ClientAddress
    user_agent_digest: UserAgentDigest | None = None
    """Digest of the client program's self-description."""


class TokenReused(Event):
    """A refresh token that was used before came again after the grace: somebody has a copy. The session is over."""

    TYPE: ClassVar[str] = IDENTITY_TOKEN_REUSED_V1

    person_id: Identifier
    session_id: Identifier
    client_address: ClientAddress
    user_agent_digest: UserAgentDigest | None = None
    """Digest of the client program's self-description."""


class SessionRevoked(Event):
    """A session was ended before its time; its tokens are refused."""

    TYPE: ClassVar[str] = IDENTITY_SESSION_REVOKED_V1

    person_id: Identifier
    session_id: Identifier
    reason: RevocationReason
    client_address: ClientAddress | None = None
    """Where the wish came from, when it came over the network."""


class RequestThrottled(Event):
    """Requests were refused because there were too many of them in a short time."""

    TYPE: ClassVar[str] = IDENTITY_REQUEST_THROTTLED_V1

    policy: Code
    """Which limit was reached."""
    key: ThrottleKey
    person_id: Identifier | None = None
    """Who is signed in, when somebody is."""
    client_address: ClientAddress
    user_id_digest: Digest | None = None
    """Keyed hash of the user id that was typed, when sign-ins of an account were counted."""
    count: Annotated[int, Field(ge=1)]
    """How many refusals of the same key within one second this event stands for."""


class KeyRotated(Event):
    """Access tokens are signed with another key from a given moment; older tokens stay good until they expire."""

    TYPE: ClassVar[str] = IDENTITY_KEY_ROTATED_V1

    key_id: Annotated[str, Field(min_length=1, max_length=128)]
    """RFC 7638 thumbprint of the new public key."""
    signs_from: Moment


class KeyRevoked(Event):
    """Access tokens signed with a key are refused from now on, because others may know it."""

    TYPE: ClassVar[str] = IDENTITY_KEY_REVOKED_V1

    key_id: Annotated[str, Field(min_length=1, max_length=128)]
    """RFC 7638 thumbprint of the public key."""
    replaced_by: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The key made in the same step, if one was."""
