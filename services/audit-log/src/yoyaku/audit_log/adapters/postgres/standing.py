"""Where the log stands as a whole: its end, its newest epoch, and what is signed and cosigned of it."""

from typing import Final

from yoyaku.audit_log.adapters.postgres.log_end import NEXT_POSITION
from yoyaku.audit_log.adapters.postgres.newest_epoch import NEWEST_FIRST
from yoyaku.audit_log.usecases.tell_status import LogStanding
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_STANDING: Final = f"""
SELECT h.next_position, e.epoch, e.origin, coalesce(l.size, 0) AS size, l.cosigned_size
  FROM (SELECT {NEXT_POSITION} AS next_position) AS h
  LEFT JOIN LATERAL (
    SELECT epoch, origin FROM audit_epoch ORDER BY {NEWEST_FIRST} LIMIT 1
  ) AS e ON true
  LEFT JOIN audit_checkpoint_latest AS l ON l.epoch = e.epoch
"""  # noqa: S608 - constants


class PostgresStanding:
    """Read by any replica."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self) -> LogStanding:
        """Return where the log stands. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_STANDING)
        if row is None:
            raise RuntimeError("a SELECT of one value gave no row")
        return LogStanding(*row)
