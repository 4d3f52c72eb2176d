"""Partitions by month of recording, made ahead by the function that runs with the owner's rights.

The sequencer asks for the current month's in each transaction too, so a missed run of this costs nothing but a lock.
"""

from typing import Final

from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_MAKE_AHEAD: Final = """
SELECT count(*) FILTER (WHERE made) FROM (
    SELECT audit_make_partition(moment + make_interval(months => ahead)) AS made
      FROM (SELECT greatest(clock_timestamp(), last_recorded_at) AS moment FROM audit_head) head,
           generate_series(0, $1::integer) AS ahead
) partitions
"""


async def make_partitions_ahead(pool: Pool, months_ahead: int) -> int:
    """Make the partition of this month and of the months ahead; return how many were missing."""
    async with transaction(pool) as connection:
        return int(await connection.fetchval(_MAKE_AHEAD, months_ahead))
