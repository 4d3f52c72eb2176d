"""The committed blocks, as any replica may read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.security_detector.domain.block import Block

_IN_FORCE: Final = """
SELECT b.block_id::text, b.incident_id::text, b.value, b.until, b.reason, b.rule,
       i.opened_at AS decided_at_event_time, b.traceparent, b.kind
FROM block AS b JOIN incident AS i USING (incident_id)
WHERE b.expired_at IS NULL AND b.until > $1
ORDER BY b.kind, b.value
"""


class PostgresBlocks:
    """Reads blocks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def in_force(self, now: datetime) -> Sequence[Block]:
        """Return the blocks that are not over, by the value they refuse. Raises the errors of yoyaku.postgres."""
        async with transaction(self._pool, read_only=True) as connection:
            return [Block(**row) for row in await connection.fetch(_IN_FORCE, now)]
