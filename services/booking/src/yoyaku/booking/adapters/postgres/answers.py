"""Everything that touches the table of kept answers (BK-04).

Invariant: at most one answer is kept for a person and key. The advisory lock, held to the end of the transaction, turns
a twin in flight away at once; whoever gets the lock sees what its predecessor committed.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from yoyaku.booking.domain.errors import KeyReusedError, RequestInProgressError
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.postgres.pool import Connection

_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || ' ' || $2::text, 0))"
_READ: Final = "SELECT fingerprint, status, body, expires_at FROM idempotency_key WHERE person_id = $1 AND key = $2"
_FORGET: Final = "DELETE FROM idempotency_key WHERE person_id = $1 AND key = $2"
_KEEP: Final = """
INSERT INTO idempotency_key (person_id, key, fingerprint, status, body, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT idempotency_key_pkey DO NOTHING
RETURNING 1
"""
_EXPIRE: Final = """
DELETE FROM idempotency_key WHERE (person_id, key) IN (
    SELECT person_id, key FROM idempotency_key WHERE expires_at <= $1
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class PostgresAnswers:
    """The kept answers, inside one transaction."""

    def __init__(self, connection: Connection, *, keep_for: timedelta) -> None:
        self._connection = connection
        self._keep_for = keep_for

    async def claim(self, person_id: UUID, key: str, fingerprint: bytes, now: datetime) -> StoredAnswer | None:
        """Return the kept answer, or None and the right to keep one; an answer whose time is over is forgotten.

        Never waits. Raises RequestInProgressError for a twin in flight, KeyReusedError for another fingerprint.
        """
        # Two statements, because a statement sees only what was committed before it began: the twin's answer too.
        if not await self._connection.fetchval(_LOCK, person_id, key):
            raise RequestInProgressError
        row = await self._connection.fetchrow(_READ, person_id, key)
        if row is None:
            return None
        if row["expires_at"] <= now:
            await self._connection.execute(_FORGET, person_id, key)
            return None
        if row["fingerprint"] != fingerprint:
            raise KeyReusedError
        return StoredAnswer(row["status"], row["body"], replayed=True)

    async def keep(self, person_id: UUID, key: str, fingerprint: bytes, answer: StoredAnswer, now: datetime) -> None:
        """Keep the answer until it expires. Raises RequestInProgressError when a twin has just kept one."""
        kept = await self._connection.fetchval(
            _KEEP, person_id, key, fingerprint, answer.status, answer.body, now, now + self._keep_for
        )
        if kept is None:
            raise RequestInProgressError


async def expire_answers(connection: Connection, now: datetime, *, limit: int) -> int:
    """Delete up to `limit` answers whose time is over; return how many."""
    status: str = await connection.execute(_EXPIRE, now, limit)
    return int(status.rpartition(" ")[2])
