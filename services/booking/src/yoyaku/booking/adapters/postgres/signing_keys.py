"""Everything that touches the table of signing keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from yoyaku.booking.domain.signing_key import SigningKey
from yoyaku.booking.usecases.ports.signing_keys import StoredKey
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('yoyaku.booking.signing-keys', 0))"
_ALL: Final = """
SELECT key_id, public_key, created_at, signs_from, verifies_until, revoked_at FROM signing_key
ORDER BY created_at, key_id
"""
_IN_USE: Final = """
SELECT key_id, public_key, created_at, signs_from, verifies_until, revoked_at, sealed_private_key FROM signing_key
WHERE revoked_at IS NULL AND (verifies_until IS NULL OR verifies_until > $1)
ORDER BY created_at, key_id
"""
_ADD: Final = """
INSERT INTO signing_key (key_id, public_key, sealed_private_key, created_at, signs_from) VALUES ($1, $2, $3, $4, $5)
"""
_CHANGE: Final = """
UPDATE signing_key
SET verifies_until = $2, revoked_at = $3,
    sealed_private_key = CASE WHEN $3::timestamptz IS NULL THEN sealed_private_key END
WHERE key_id = $1
"""
_FORGET: Final = """
UPDATE signing_key SET sealed_private_key = NULL WHERE verifies_until <= $1 AND sealed_private_key IS NOT NULL
"""


class PostgresSigningKeys:
    """The signing keys, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all_for_change(self) -> Sequence[SigningKey]:
        """Read every key, oldest first; transactions that ask take turns until they end."""
        await self._connection.execute(_TAKE_TURNS)
        return [_to_key(row) for row in await self._connection.fetch(_ALL)]

    async def add(self, key: SigningKey, sealed_private_key: bytes) -> None:
        """Store a new key."""
        await self._connection.execute(
            _ADD, key.key_id, key.public_key, sealed_private_key, key.created_at, key.signs_from
        )

    async def change(self, key: SigningKey) -> None:
        """Store a key's end or revocation; what is revoked loses its secret."""
        await self._connection.execute(_CHANGE, key.key_id, key.verifies_until, key.revoked_at)


async def read_keys_in_use(pool: Pool, now: datetime) -> list[StoredKey]:
    """Read the keys that verify now, oldest first."""
    async with transaction(pool, read_only=True) as connection:
        rows = await connection.fetch(_IN_USE, now)
    return [StoredKey(_to_key(row), row["sealed_private_key"]) for row in rows]


async def read_all_keys(pool: Pool) -> list[SigningKey]:
    """Read every key there ever was, oldest first."""
    async with transaction(pool, read_only=True) as connection:
        return [_to_key(row) for row in await connection.fetch(_ALL)]


async def forget_secrets(pool: Pool, now: datetime) -> None:
    """Delete the secret halves of keys that are over."""
    async with transaction(pool) as connection:
        await connection.execute(_FORGET, now)


def _to_key(row: asyncpg.Record) -> SigningKey:
    return SigningKey(
        key_id=row["key_id"],
        public_key=row["public_key"],
        created_at=row["created_at"],
        signs_from=row["signs_from"],
        verifies_until=row["verifies_until"],
        revoked_at=row["revoked_at"],
    )
