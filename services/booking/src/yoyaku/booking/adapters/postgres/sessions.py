"""Everything that touches the tables of sessions, refresh tokens and denials.

Invariant: of a refresh token only its digest is here; a denial's end only moves into the future.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.session import RefreshToken, Session
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

_OPEN: Final = """
INSERT INTO session (id, person_id, created_at, last_used_at, expires_at, ends_at, access_until, client_address)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ADD: Final = "INSERT INTO refresh_token (digest, session_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)"
_OWNER: Final = """
SELECT s.id, s.person_id FROM refresh_token AS t JOIN session AS s ON s.id = t.session_id WHERE t.digest = $1
"""
_FOR_CHANGE: Final = """
SELECT id, person_id, created_at, last_used_at, expires_at, ends_at, access_until, client_address, revoked_at
FROM session WHERE id = $1 FOR NO KEY UPDATE
"""
_PRESENTED: Final = "SELECT digest, session_id, issued_at, expires_at, used_at FROM refresh_token WHERE digest = $1"
_USE: Final = "UPDATE refresh_token SET used_at = $2 WHERE digest = $1 AND used_at IS NULL"
_RENEW: Final = """
UPDATE session SET last_used_at = $2, expires_at = $3, access_until = $4, client_address = $5 WHERE id = $1
"""
_REVOKE: Final = "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL"
_REVOKE_ALL: Final = """
UPDATE session SET revoked_at = $2
WHERE person_id = $1 AND revoked_at IS NULL AND ($3::uuid IS NULL OR id <> $3)
RETURNING id, person_id, created_at, last_used_at, expires_at, ends_at, access_until, client_address,
          NULL::timestamptz AS revoked_at
"""
_LIVE: Final = """
SELECT id, person_id, created_at, last_used_at, expires_at, ends_at, access_until, client_address, revoked_at
FROM session WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > $2
ORDER BY last_used_at DESC, id LIMIT $3
"""
_DENY: Final = """
INSERT INTO denial (kind, value, not_before, until) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT denial_pkey DO UPDATE
SET not_before = greatest(denial.not_before, excluded.not_before), until = greatest(denial.until, excluded.until)
"""
_DENIALS: Final = "SELECT kind, value, not_before, until FROM denial WHERE until > $1"
_EXPIRE_DENIALS: Final = "DELETE FROM denial WHERE until <= $1"
_EXPIRE_TOKENS: Final = """
DELETE FROM refresh_token WHERE digest IN (
    SELECT digest FROM refresh_token WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
# A session that ended is kept as long as one of its access tokens could be denied by it.
_EXPIRE_SESSIONS: Final = """
DELETE FROM session WHERE id IN (
    SELECT id FROM session
    WHERE (expires_at <= $1 OR revoked_at <= $1) AND access_until <= $1
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class PostgresSessions:
    """The sessions and their refresh tokens, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, session: Session, token: RefreshToken) -> None:
        """Store a new session with its first refresh token."""
        await self._connection.execute(
            _OPEN,
            session.id,
            session.person_id,
            session.created_at,
            session.last_used_at,
            session.expires_at,
            session.ends_at,
            session.access_until,
            session.client_address,
        )
        await self._add(token)

    async def owner_of(self, digest: bytes) -> tuple[UUID, UUID] | None:
        """Return the ids of session and person that a refresh token belongs to, without any lock."""
        row = await self._connection.fetchrow(_OWNER, digest)
        return (UUID(bytes=row["id"].bytes), UUID(bytes=row["person_id"].bytes)) if row else None

    async def find_for_change(self, session_id: UUID) -> Session | None:
        """Read a session and keep others from changing it until the transaction ends."""
        row = await self._connection.fetchrow(_FOR_CHANGE, session_id)
        return _to_session(row) if row else None

    async def token(self, digest: bytes) -> RefreshToken | None:
        """Read a refresh token; its session must be held."""
        row = await self._connection.fetchrow(_PRESENTED, digest)
        if row is None:
            return None
        session_id = UUID(bytes=row["session_id"].bytes)
        return RefreshToken(row["digest"], session_id, row["issued_at"], row["expires_at"], row["used_at"])

    async def rotate(self, session: Session, used: RefreshToken, fresh: RefreshToken) -> None:
        """Mark a token as used when the fresh one was issued, and store that one and the session as it is now."""
        await self._connection.execute(_USE, used.digest, fresh.issued_at)
        await self._add(fresh)
        await self._connection.execute(
            _RENEW,
            session.id,
            session.last_used_at,
            session.expires_at,
            session.access_until,
            session.client_address,
        )

    async def revoke(self, session_id: UUID, now: datetime) -> None:
        """End a session; it must be held."""
        await self._connection.execute(_REVOKE, session_id, now)

    async def revoke_all(self, person_id: UUID, now: datetime, *, but: UUID | None) -> Sequence[Session]:
        """End all sessions of a person but one, who must be held for change; return them as they were before."""
        return [_to_session(row) for row in await self._connection.fetch(_REVOKE_ALL, person_id, now, but)]

    async def _add(self, token: RefreshToken) -> None:
        await self._connection.execute(_ADD, token.digest, token.session_id, token.issued_at, token.expires_at)


class PostgresDenials:
    """The denials, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, denial: Denial) -> None:
        """Store a denial, in place of an earlier one of the same tokens."""
        await self._connection.execute(_DENY, denial.kind.value, denial.value, denial.not_before, denial.until)


async def read_sessions(connection: Connection, person_id: UUID, now: datetime, *, limit: int) -> Sequence[Session]:
    """List the live sessions of a person, the last used first."""
    return [_to_session(row) for row in await connection.fetch(_LIVE, person_id, now, limit)]


async def read_denials(pool: Pool, now: datetime) -> list[Denial]:
    """List the denials still in force. Raises the errors of `yoyaku.postgres.errors`."""
    async with transaction(pool, read_only=True) as connection:
        rows = await connection.fetch(_DENIALS, now)
    return [Denial(DenialKind(row["kind"]), row["value"], row["until"], row["not_before"]) for row in rows]


async def expire_sessions(connection: Connection, now: datetime, *, limit: int) -> int:
    """Delete denials that are over, and up to `limit` tokens and sessions each; return how many of the latter."""
    await connection.execute(_EXPIRE_DENIALS, now)
    statuses = [await connection.execute(statement, now, limit) for statement in (_EXPIRE_TOKENS, _EXPIRE_SESSIONS)]
    return max(int(status.rpartition(" ")[2]) for status in statuses)


def _to_session(row: asyncpg.Record) -> Session:
    return Session(
        id=UUID(bytes=row["id"].bytes),
        person_id=UUID(bytes=row["person_id"].bytes),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        ends_at=row["ends_at"],
        access_until=row["access_until"],
        client_address=row["client_address"],
        revoked_at=row["revoked_at"],
    )
