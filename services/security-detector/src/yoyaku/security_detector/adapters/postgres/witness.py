"""The witness's memory: one row an origin, locked while a checkpoint is checked, cosigned and kept.

Invariant: what `held` yields is the newest, and stays so until its transaction ends; a first checkpoint, of which there
is no row to lock yet, is held by an advisory lock on the origin.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import asyncpg

from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.security_detector.domain.witness import DamagedMemoryError, Witnessed
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.note import parse_note

_NEWEST: Final = "SELECT origin, size, root, note, vkeys, cosigned_at FROM witness_checkpoint WHERE origin = $1"
_HOLD: Final = f"{_NEWEST} FOR UPDATE"
_HOLD_NEW: Final = "SELECT pg_advisory_xact_lock(hashtextextended('witness_checkpoint ' || $1, 0))"
_ALL: Final = """
SELECT origin, size, root, note, vkeys, cosigned_at FROM witness_checkpoint
 ORDER BY cosigned_at DESC, size DESC LIMIT 1000
"""
_KEEP: Final = """
INSERT INTO witness_checkpoint (origin, size, root, note, vkeys, cosigned_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
    vkeys = excluded.vkeys, cosigned_at = excluded.cosigned_at
"""


class PostgresWitnessRecord:
    """The record of one origin, in one transaction."""

    def __init__(self, connection: Connection, newest: Witnessed | None) -> None:
        self._connection = connection
        self._newest = newest

    @property
    def newest(self) -> Witnessed | None:
        """The newest checkpoint that was cosigned."""
        return self._newest

    async def keep(self, witnessed: Witnessed) -> None:
        """Put a newer one in its place. Raises ConstraintViolatedError for one that goes back."""
        checkpoint = witnessed.checkpoint
        await self._connection.execute(
            _KEEP,
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root,
            witnessed.note.encode().decode(),
            list(witnessed.vkeys),
            datetime.fromtimestamp(witnessed.time, UTC),
        )


class PostgresWitness:
    """The newest cosigned checkpoint of each origin."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def held(self, origin: str) -> AsyncIterator[PostgresWitnessRecord]:
        """Hold the record of an origin for one transaction. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(_HOLD, origin)
            if row is None:
                await connection.execute(_HOLD_NEW, origin)
                row = await connection.fetchrow(_HOLD, origin)
            yield PostgresWitnessRecord(connection, _to_witnessed(row) if row else None)

    async def newest(self, origin: str) -> Witnessed | None:
        """Read the newest cosigned checkpoint of an origin. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_NEWEST, origin)
        return _to_witnessed(row) if row else None

    async def all(self) -> Sequence[Witnessed]:
        """Read that of every origin, the one that was cosigned last first. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            return [_to_witnessed(row) for row in await connection.fetch(_ALL)]


def _to_witnessed(row: asyncpg.Record) -> Witnessed:
    try:
        note = parse_note(row["note"])
        checkpoint = Checkpoint.parse(note.text)
    except TlogError as damaged:
        raise DamagedMemoryError(f"the note of {row['origin']} cannot be read: {damaged}") from None
    if checkpoint.origin != row["origin"]:
        raise DamagedMemoryError(f"the note of {row['origin']} is of another log")
    differs = (checkpoint.size, checkpoint.root) != (row["size"], row["root"])
    return Witnessed(checkpoint, note, tuple(row["vkeys"]), int(row["cosigned_at"].timestamp()), differs)
