"""Passwords and access tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.person import Person, Role


class Passwords(Protocol):
    """Password hashing, off the event loop and bounded. Raises BusyError when too much of it waits."""

    async def hash(self, password: str) -> str:
        """Hash a new password."""

    async def verify(self, stored: str | None, password: str) -> bool:
        """Check a password; without a stored hash it costs the same and is never right."""

    def is_outdated(self, stored: str) -> bool:
        """Say whether the hash was made with other parameters than today's."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token and how long it is good for."""

    text: str
    expires_in_seconds: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a good access token speaks for. Times are seconds since the epoch."""

    person_id: UUID
    role: Role
    token_id: str
    session_id: UUID
    issued_at: float
    not_before: float
    expires_at: float


class Tokens(Protocol):
    """Access tokens."""

    async def check(self, token: str) -> Principal:
        """Return who the token speaks for. Raises NotAuthenticatedError."""

    def issue(self, person: Person, session_id: UUID, issued_at: datetime) -> AccessToken:
        """Sign a token of a session of the person, good from now; `issued_at` is what a not-before is held against.

        Raises ServiceUnavailableError when no key can sign.
        """
