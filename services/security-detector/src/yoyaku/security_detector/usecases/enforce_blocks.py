"""Bring committed blocks to the gateways, through the bucket they watch.

Invariant: the database says what is blocked, the bucket only repeats it. Whatever is committed and not in the bucket
(a crash between, a bucket that was lost, a bus that was away) is put there by the next reconciliation.
"""

from collections.abc import Sequence
from datetime import datetime

from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.usecases.ports import Blocks, Bucket


class EnforceBlocks:
    """Pushes blocks, and repairs the bucket."""

    def __init__(self, blocks: Blocks, bucket: Bucket) -> None:
        self._blocks = blocks
        self._bucket = bucket

    async def push(self, blocks: Sequence[Block], now: datetime) -> None:
        """Put blocks that were just committed into the bucket. Raises BucketAwayError."""
        for block in blocks:
            await self._bucket.put(block, now)

    async def reconcile(self, now: datetime) -> Sequence[Block]:
        """Put every block in force that is missing into the bucket, and return those.

        `now`: aware UTC. Raises BucketAwayError and the errors of yoyaku.postgres.
        """
        missing = await self._bucket.missing(await self._blocks.in_force(now))
        await self.push(missing, now)
        return missing
