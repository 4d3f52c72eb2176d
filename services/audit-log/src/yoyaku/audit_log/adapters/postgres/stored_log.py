"""Reading the log as it is stored, for verification: rows, hashes, epochs; nothing is interpreted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from yoyaku.audit_log.adapters.postgres.log_end import NEXT_POSITION
from yoyaku.audit_log.domain.inspection import StoredRow
from yoyaku.audit_log.usecases.inspect_log import EpochRange
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_ROWS: Final = """
SELECT position, recorded_at, leaf, leaf_hash, event_id, source, number, type, occurred_at, actor, subject,
       correlation_id
  FROM audit_entry WHERE position >= $1 AND position < $2 ORDER BY position, recorded_at LIMIT $3
"""
_NO_END: Final = 2**63 - 1
_NO_LIMIT: Final = None
# Months are sealed in order, and dropped in any: what is held begins after the last one that has no partition any more.
_EPOCHS: Final = f"""
SELECT epoch, origin, first_position,
       coalesce(lead(first_position) OVER (ORDER BY epoch), {NEXT_POSITION}) AS end_position,
       greatest(first_position, (SELECT max(first_position + entry_count) FROM audit_segment
                                  WHERE to_regclass('public.audit_entry_' || to_char(month, 'YYYY_MM')) IS NULL))
           AS held_from
  FROM audit_epoch ORDER BY epoch
"""  # noqa: S608  a constant
_BOUNDS: Final = "SELECT min(position) AS first, max(position) AS last FROM audit_entry"
_AT_OR_AFTER: Final = "SELECT position, recorded_at FROM audit_entry WHERE position >= $1 ORDER BY position LIMIT 1"
_TILE: Final = "SELECT hashes FROM audit_tile WHERE epoch = $1 AND level = $2 AND tile_index = $3"


class PostgresStoredLog:
    """The committed log."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def epochs(self) -> Sequence[EpochRange]:
        """Return every epoch, the oldest first."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_EPOCHS)
        return [
            EpochRange(row["epoch"], row["origin"], row["first_position"], row["end_position"], row["held_from"])
            for row in rows
        ]

    async def first_recorded_since(self, moment: datetime) -> int | None:
        """Return the lowest held position that was recorded at a moment or later.

        Found by halving, since times follow positions; a row whose time was changed by hand may shift the answer.
        """
        async with transaction(self._pool, read_only=True) as connection:
            bounds = await connection.fetchrow(_BOUNDS)
            if bounds is None or bounds["first"] is None:
                return None
            low, high = bounds["first"], bounds["last"] + 1
            while low < high:
                middle = (low + high) // 2
                row = await connection.fetchrow(_AT_OR_AFTER, middle)
                if row is not None and row["recorded_at"] < moment:
                    low = row["position"] + 1
                else:
                    high = middle
        return int(low) if low <= bounds["last"] else None

    async def rows(self, first: int, end: int) -> Sequence[StoredRow]:
        """Return the rows at positions from `first` to `end` (excluded)."""
        async with transaction(self._pool, read_only=True) as connection:
            return [StoredRow(*row) for row in await connection.fetch(_ROWS, first, end, _NO_LIMIT)]

    async def rows_from(self, first: int, limit: int) -> Sequence[StoredRow]:
        """Return up to `limit` rows at `first` and beyond."""
        async with transaction(self._pool, read_only=True) as connection:
            return [StoredRow(*row) for row in await connection.fetch(_ROWS, first, _NO_END, limit)]

    async def tile(self, epoch: int, level: int, tile_index: int) -> bytes | None:
        """Return the hashes of a full tile."""
        async with transaction(self._pool, read_only=True) as connection:
            found = await connection.fetchval(_TILE, epoch, level, tile_index)
        return None if found is None else bytes(found)
