"""Between which times the facts of each stretch of the log happened, so that a search by time finds its place at once.

Entries stand in the order of their recording, which is nearly, but not quite, that of the facts: a producer may be
late, or its clock wrong. An index could find the times, but not give them in order of position. So the process knows
the earliest and latest fact of each block of BLOCK entries: a few dozen bytes a block, read once, since entries
never change. Invariant: an entry that fits a range of times is in a run that `runs` names.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from yoyaku.audit_log.adapters.postgres.log_end import NEXT_POSITION
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

BLOCK: Final = 4096
MOST_RUNS: Final = 8
"""A disordered log is read in at most so many stretches; what is between the last ones is read too."""
_BLOCKS_AT_ONCE: Final = 8
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

_BLOCKS: Final = """
SELECT position / $3 AS block, min(occurred_at) AS earliest, max(occurred_at) AS latest
  FROM audit_entry WHERE position >= $1 AND position < $2 GROUP BY 1
"""


class _Times(NamedTuple):
    earliest: datetime
    latest: datetime


class OccurredBlocks:
    """The times of whole blocks, extended as the log grows. For any number of tasks at once."""

    def __init__(self) -> None:
        self._times: dict[int, _Times | None] = {}
        self._known: int = 0
        """Blocks below are known, or were not in the database when this process first looked."""
        self._begun = False

    async def keep_up(self, pool: Pool) -> None:
        """Read what was recorded since the last call, a little at a time. Raises the errors of yoyaku.postgres."""
        is_behind = True
        while is_behind:
            async with transaction(pool, read_only=True) as connection:
                next_position = await connection.fetchval(f"SELECT {NEXT_POSITION}")
                is_behind = await self.extend(connection, next_position)

    async def extend(self, connection: Connection, next_position: int) -> bool:
        """Read some of the blocks that are whole, those below the next position of the log; say whether some are left.

        Raises as asyncpg does.
        """
        whole = next_position // BLOCK
        if whole < self._known:
            # Another state was put in place of the database.
            self._times.clear()
            self._known, self._begun = 0, False
        if not self._begun:
            first = await connection.fetchval("SELECT position FROM audit_entry ORDER BY position LIMIT 1")
            self._known = -(-(first or 0) // BLOCK)
            self._begun = True
        begin, end = self._known, min(self._known + _BLOCKS_AT_ONCE, whole)
        if begin < end:
            rows = await connection.fetch(_BLOCKS, begin * BLOCK, end * BLOCK, BLOCK)
            times = {
                row["block"]: _Times(row["earliest"], row["latest"]) for row in rows if row["earliest"] is not None
            }
            self._times.update({block: times.get(block) for block in range(begin, end)})
            self._known = max(self._known, end)
        return self._known < whole

    def runs(
        self, lowest: int, highest: int, occurred_from: datetime | None, occurred_before: datetime | None
    ) -> list[tuple[int, int]]:
        """Return the stretches, in order, from `lowest` to `highest` in which facts of these times may be.

        A block that is not known yet is one of them.
        """
        since, until = occurred_from or _EARLIEST, occurred_before or _LATEST
        found: list[tuple[int, int]] = []
        for block in range(lowest // BLOCK, highest // BLOCK + 1):
            if block in self._times:
                times = self._times[block]
                if times is None or times.latest < since or times.earliest >= until:
                    continue
            begin, end = max(block * BLOCK, lowest), min((block + 1) * BLOCK - 1, highest)
            if found and (found[-1][1] + 1 == begin or len(found) == MOST_RUNS):
                begin = found.pop()[0]
            found.append((begin, end))
        return found
