"""Keys of data subjects in PostgreSQL: made with what they seal, read each time, deleted by another role.

Invariant: nobody who was forgotten gets a new key. Who makes keys and who forgets take turns (an advisory lock), so
that neither overlooks the other's rows. Nothing of a key is trusted that is not a row now.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from loguru import logger

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.adapters.personal_keys import MasterKey, SealingKeyring, SubjectKeys, opener
from yoyaku.audit_log.domain.leaf import Open
from yoyaku.audit_log.usecases.key_ports import KeyUnusableError
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

LOCK_NAME: Final = "audit_personal_key"
"""Of the advisory lock: makers take it shared, who forgets takes it alone (`pg_advisory_xact_lock`)."""

_KEYS: Final = "SELECT key_reference, wrapped_key FROM audit_personal_key WHERE key_reference = ANY ($1::text[])"
_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
_MAKE: Final = """
INSERT INTO audit_personal_key (key_reference, wrapped_key, master_key_id, created_at)
SELECT made.key_reference, made.wrapped_key, $3, clock_timestamp()
  FROM unnest($1::text[], $2::bytea[]) AS made (key_reference, wrapped_key)
 WHERE NOT EXISTS (SELECT FROM audit_forgotten f WHERE f.key_reference = made.key_reference)
ON CONFLICT DO NOTHING
"""
_KEYS_OF_OTHERS: Final = """
SELECT key_reference, wrapped_key FROM audit_personal_key
 WHERE NOT EXISTS (SELECT FROM audit_personal_key WHERE master_key_id = $1) LIMIT 100
"""
"""None when one says that it is of this master key; what the others say is looked at, a column can be edited."""


class PostgresPersonalKeys:
    """Keys on one connection, in one transaction of the sequencer."""

    def __init__(self, connection: Connection, keys: SubjectKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def keyring(self, new: Collection[str], known: Collection[str]) -> SealingKeyring:
        """Return the keys under these references; see `usecases.key_ports.PersonalKeys`.

        One that cannot be unwrapped counts as destroyed: recording goes on, and no value is stored in clear.
        """
        wanted = sorted({*new, *known})
        rows = await _wrapped(self._connection, wanted) if wanted else {}
        missing = [reference for reference in wanted if reference not in rows and reference in new]
        if missing:
            await self._connection.execute(_TAKE_TURNS, LOCK_NAME)
            made = [self._keys.make() for _ in missing]
            await self._connection.execute(_MAKE, missing, made, self._keys.master.id)
            rows |= await _wrapped(self._connection, missing)
        keys, unusable = self._keys.usable(rows)
        if unusable:
            telemetry.unusable_keys.add(len(unusable))
            logger.bind(key_references=unusable[:10], count=len(unusable)).error(
                "keys of persons cannot be used, what is new of them is recorded without its personal values"
            )
        return SealingKeyring(keys, self._keys.random_bytes)


class PostgresUnsealer:
    """Opens sealed fields for readers (`usecases.reader_ports.Unsealer`)."""

    def __init__(self, pool: Pool, keys: SubjectKeys) -> None:
        self._pool = pool
        self._keys = keys

    async def opener(self, key_references: Collection[str]) -> Open:
        """Return what opens fields under these keys; those of the forgotten stay closed. Raises KeyUnusableError."""
        if not key_references:
            return opener({})
        async with transaction(self._pool, read_only=True) as connection:
            rows = await _wrapped(connection, key_references)
        return opener(self._keys.unwrapped(rows))


async def check_master_key(pool: Pool, master: MasterKey) -> None:
    """See that this master key is the one of before: it fits a key, or there is none.

    A single key that does not fit is damage, not another master key. Raises KeyUnusableError, the errors of
    yoyaku.postgres.
    """
    async with transaction(pool, read_only=True) as connection:
        rows = await connection.fetch(_KEYS_OF_OTHERS, master.id)
    for row in rows:
        with suppress(KeyUnusableError):
            master.unwrap(row["key_reference"], row["wrapped_key"])
            return
    if rows:
        other = rows[0]["key_reference"]
        raise KeyUnusableError(f"the key of {other} was wrapped with another master key than this one ({master.id})")


async def _wrapped(connection: Connection, key_references: Collection[str]) -> dict[str, bytes]:
    rows = await connection.fetch(_KEYS, list(key_references))
    return {row["key_reference"]: row["wrapped_key"] for row in rows}
