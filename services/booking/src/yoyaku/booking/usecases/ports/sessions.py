"""Sessions, their refresh tokens, and the denials of access tokens."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.domain.session import RefreshToken, Session


class Sessions(Protocol):
    """The sessions and their refresh tokens, inside a transaction."""

    async def open(self, session: Session, token: RefreshToken) -> None:
        """Store a new session with its first refresh token."""

    async def owner_of(self, digest: bytes) -> tuple[UUID, UUID] | None:
        """Return the ids of session and person that a refresh token belongs to, without any lock."""

    async def find_for_change(self, session_id: UUID) -> Session | None:
        """Read a session and keep others from changing it until the transaction ends."""

    async def token(self, digest: bytes) -> RefreshToken | None:
        """Read a refresh token; its session must be held."""

    async def rotate(self, session: Session, used: RefreshToken, fresh: RefreshToken) -> None:
        """Mark a token as used when the fresh one was issued, and store that one and the session as it is now."""

    async def revoke(self, session_id: UUID, now: datetime) -> None:
        """End a session; it must be held."""

    async def revoke_all(self, person_id: UUID, now: datetime, *, but: UUID | None) -> Sequence[Session]:
        """End all sessions of a person but one, who must be held for change; return them as they were before."""


class Denials(Protocol):
    """The denials of access tokens, inside a transaction."""

    async def add(self, denial: Denial) -> None:
        """Store a denial, in place of an earlier one of the same tokens."""


Announce: TypeAlias = Callable[[Sequence[Denial]], Awaitable[None]]
"""Tells every gateway process of committed denials: this one before it returns, the others within a second.

Raises nothing: what could not be told is told again by the worker, and read from the database meanwhile.
"""
