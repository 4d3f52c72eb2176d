"""What stands in the way of the log's end: rows that it never wrote there, or a head that is not its end."""

from typing import Final

from yoyaku.audit_log.adapters.postgres.newest_epoch import NEWEST_FIRST
from yoyaku.postgres.pool import Connection

# A few rows are enough to name; one is enough to begin a new epoch.
_OBSTACLES: Final = f"""
(SELECT 'audit_entry' AS held_by, position FROM audit_entry
  WHERE position >= $1 AND position - $1 < 1048576 ORDER BY position LIMIT 1)
UNION ALL
(SELECT 'audit_body', position FROM audit_body
  WHERE position >= $1 AND position - $1 < 1048576 ORDER BY position LIMIT 1)
UNION ALL
(SELECT 'audit_recorded', position FROM audit_recorded
  WHERE position >= $1 AND position - $1 < 1048576 ORDER BY position LIMIT 1)
UNION ALL
(SELECT 'audit_tile', e.first_position + (t.tile_index << 8)
   FROM (SELECT epoch, first_position FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1) e
   JOIN audit_tile t ON t.epoch = e.epoch AND t.level = 0
    AND t.tile_index >= ($1 - e.first_position) >> 8
  ORDER BY t.tile_index LIMIT 1)
UNION ALL
(SELECT 'audit_tile', $1
   FROM (SELECT epoch, first_position FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1) e
   JOIN audit_tile t ON t.epoch = e.epoch AND t.level > 0
    AND t.tile_index >= ($1 - e.first_position) >> (8 * (t.level + 1))
  LIMIT 1)
UNION ALL
SELECT 'audit_epoch', e.first_position
  FROM (SELECT first_position FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1) e WHERE e.first_position > $1
"""  # noqa: S608 - constants
FURTHEST: Final = 2**32
"""A position as far above the head as that was never given out; nothing goes on above it."""
_CLEAR: Final = "SELECT audit_clear_position($1)"


async def obstacles(connection: Connection, next_position: int) -> str | None:
    """Say what holds positions from the head on, which the log has not given out; None when the way is clear.

    Looks 2**20 positions ahead, and at whole tiles of the newest epoch that its entries cannot have filled.
    """
    rows = await connection.fetch(_OBSTACLES, next_position)
    if not rows:
        return None
    found = ", ".join(f"{row['held_by']} has position {row['position']}" for row in rows)
    return f"the log ends before {next_position}, and {found}"


async def clear_position(connection: Connection, next_position: int) -> int:
    """Return the first position, from the head on, from which on nothing stands in the way."""
    found: int = await connection.fetchval(_CLEAR, next_position)
    return found
