"""Sessions and their refresh tokens: one rule that says what a presented refresh token means (ID-03).

```mermaid
stateDiagram-v2
    [*] --> unused: issued
    unused --> used: presented, a new one is issued
    used --> used: presented within the grace, superseded
    used --> revoked: presented later, reused
    unused --> over: 30 days, or the session's greatest age
    unused --> revoked: log-out, disabled, new password or role
```

Invariant: a live session has exactly one unused token; a token buys at most one successor.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

GRACE: Final = timedelta(seconds=10)
"""How long after its use a token may come again without harm: two tabs that refresh at once."""
REFRESH_LIFETIME: Final = timedelta(days=30)
GREATEST_AGE: Final = timedelta(days=90)
_NO_LONGER: Final = 256
"""Longer texts are no refresh tokens."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long sessions last."""

    refresh_lifetime: timedelta = REFRESH_LIFETIME
    """How long a refresh token waits to be used."""
    greatest_age: timedelta = GREATEST_AGE
    """How long a session lasts however often it is refreshed."""
    grace: timedelta = GRACE

    def expiry(self, now: datetime, ends_at: datetime) -> datetime:
        """Return when a refresh token issued now is over."""
        return min(now + self.refresh_lifetime, ends_at)


@dataclass(frozen=True, slots=True)
class Session:
    """A person signed in on one device. All times are aware."""

    id: UUID
    person_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    """When the newest refresh token is over."""
    ends_at: datetime
    """When it is over however often it is refreshed."""
    access_until: datetime
    """When the newest access token is over."""
    client_address: str
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Say whether it can still be refreshed."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One refresh token of a session, known by its digest only."""

    digest: bytes
    session_id: UUID
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class Presented(Enum):
    """What it means that a refresh token is presented."""

    GOOD = auto()
    """It buys a new one and is used up."""
    SUPERSEDED = auto()
    """It was used a moment ago: another tab has the new one."""
    REUSED = auto()
    """It was used long ago: somebody has a copy, the session must end."""
    OVER = auto()
    """It, or its session, is over."""


def judge(session: Session, token: RefreshToken, now: datetime, rules: SessionRules) -> Presented:
    """Say what it means that the token is presented now."""
    if session.revoked_at is not None or now >= token.expires_at or now >= session.ends_at:
        return Presented.OVER
    if token.used_at is None:
        return Presented.GOOD
    return Presented.SUPERSEDED if now - token.used_at <= rules.grace else Presented.REUSED


def digest_of(refresh_token: str) -> bytes | None:
    """Return what is stored of a refresh token: SHA-256, which suffices for 256 random bits; None for what is none."""
    if not refresh_token.isascii() or len(refresh_token) > _NO_LONGER:
        return None
    return hashlib.sha256(refresh_token.encode("ascii")).digest()
