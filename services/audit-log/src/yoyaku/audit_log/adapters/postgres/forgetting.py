"""Destroying keys, as the role that may do that and nothing else; telling of it, as the service."""

from collections.abc import Sequence
from typing import Final

from yoyaku.audit_log.adapters.postgres.personal_keys import LOCK_NAME
from yoyaku.contracts.audit_v1 import PersonForgotten
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_REMEMBER: Final = """
INSERT INTO audit_forgotten (key_reference, forgotten_at) SELECT reference, clock_timestamp()
  FROM unnest($1::text[]) AS reference ON CONFLICT DO NOTHING
"""
_DESTROY: Final = "DELETE FROM audit_personal_key WHERE key_reference = ANY ($1::text[]) RETURNING key_reference"
_DELETE_CLIENTS: Final = "DELETE FROM audit_client WHERE key_reference = ANY ($1::text[])"
_FORGOTTEN: Final = "SELECT key_reference FROM audit_forgotten"
_SWEEP: Final = """
WITH keys AS (DELETE FROM audit_personal_key k USING audit_forgotten f WHERE f.key_reference = k.key_reference
              RETURNING 1),
     clients AS (DELETE FROM audit_client c USING audit_forgotten f WHERE f.key_reference = c.key_reference
                 RETURNING 1)
SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM clients)
"""


class PostgresKeyDestroyer:
    """`pool` is that of the role `audit_keys`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def destroy(self, key_references: Sequence[str]) -> Sequence[str]:
        """Delete keys and digests of addresses, and remember it; return those that had a key."""
        references = list(key_references)
        async with transaction(self._pool) as connection:
            await connection.execute(_ALONE, LOCK_NAME)  # who makes keys waits, and then sees that they are forgotten
            await connection.execute(_REMEMBER, references)
            rows = await connection.fetch(_DESTROY, references)
            await connection.execute(_DELETE_CLIENTS, references)
        return [row["key_reference"] for row in rows]

    async def forgotten(self) -> Sequence[str]:
        """Return everybody who was forgotten."""
        async with transaction(self._pool, read_only=True) as connection:
            return [row["key_reference"] for row in await connection.fetch(_FORGOTTEN)]

    async def sweep(self) -> int:
        """Delete what there is of everybody who was forgotten; return how much."""
        async with transaction(self._pool) as connection:
            return int(await connection.fetchval(_SWEEP))


class PostgresForgetReports:
    """Tells in the service's own role, which can record and cannot delete keys."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def told(self, key_reference: str, requested_by: str) -> None:
        """Tell `audit.person.forgotten.v1`."""
        event = PersonForgotten(key_reference=key_reference, requested_by=requested_by)
        async with self._outbox.transaction(self._pool) as opened:
            opened.emit(event, subject=key_reference, actor=requested_by)
