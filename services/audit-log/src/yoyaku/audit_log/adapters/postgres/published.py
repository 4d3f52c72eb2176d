"""What is signed, for reading: epochs, the newest checkpoint of each, and those that are kept.

Any replica may read them. The newest checkpoint is about a second behind the log, and its cosignature a moment more.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from asyncpg import Record

from yoyaku.audit_log.usecases.reader_ports import PublishedEpoch
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

PATIENCE_SECONDS: Final = 30
"""How long a newer checkpoint waits for its cosignature, before it is shown without."""

_EPOCH: Final = """
SELECT e.epoch, e.origin, e.first_position, l.size, l.note, l.cosigned_size, l.cosigned_note,
       clock_timestamp() - l.signed_at < make_interval(secs => $2) AS is_fresh
  FROM audit_epoch e JOIN audit_checkpoint_latest l USING (epoch)
 WHERE $1::int IS NULL OR e.epoch = $1
 ORDER BY e.epoch DESC LIMIT 1
"""
_EPOCH_OF: Final = """
SELECT epoch FROM audit_epoch WHERE first_position <= $1 ORDER BY first_position DESC, epoch DESC LIMIT 1
"""
_KEPT: Final = """
SELECT c.note, coalesce(array_agg(s.line ORDER BY s.witness) FILTER (WHERE s.line IS NOT NULL), '{}') AS lines
  FROM audit_checkpoint c LEFT JOIN audit_cosignature s USING (epoch, size)
 WHERE c.epoch = $1 AND c.size = $2 GROUP BY c.note
"""
_EVERY_KEPT: Final = "SELECT size, signed_at FROM audit_checkpoint WHERE epoch = $1 ORDER BY size"


class PostgresPublished:
    """The signed side of the log."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def epoch(self, number: int | None) -> PublishedEpoch | None:
        """Return an epoch, the newest when none is named, that has a checkpoint."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_EPOCH, number, float(PATIENCE_SECONDS))
        return None if row is None else _to_epoch(row)

    async def epoch_of(self, position: int) -> PublishedEpoch | None:
        """Return the epoch that holds a position."""
        async with transaction(self._pool, read_only=True) as connection:
            number = await connection.fetchval(_EPOCH_OF, position)
        return None if number is None else await self.epoch(number)

    async def kept_checkpoint(self, epoch: int, size: int) -> str | None:
        """Return a checkpoint that is kept for ever, with its cosignatures."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_KEPT, epoch, size)
        return None if row is None else with_lines(row["note"], row["lines"])

    async def kept_checkpoints(self, epoch: int) -> Sequence[tuple[int, datetime]]:
        """Return size and time of every kept checkpoint, the smallest first."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_EVERY_KEPT, epoch)
        return [(row["size"], row["signed_at"]) for row in rows]


def with_lines(note: str, lines: list[str]) -> str:
    """Add the lines of witnesses to a signed note, each once. Source: C2SP signed-note, "Format"."""
    missing = [line.rstrip("\n") + "\n" for line in lines if line.rstrip("\n") not in note.split("\n")]
    return note + "".join(missing)


def _to_epoch(row: Record) -> PublishedEpoch:
    size, note = row["size"], row["note"]
    if row["cosigned_note"] is not None and (row["cosigned_size"] == size or row["is_fresh"]):
        size, note = row["cosigned_size"], row["cosigned_note"]
    return PublishedEpoch(row["epoch"], row["origin"], row["first_position"], size, note)
