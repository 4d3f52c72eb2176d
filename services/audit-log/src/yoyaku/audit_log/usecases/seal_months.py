"""Seal every closed month, oldest first: write it into the archive, read it back, record it, drop its partition.

Each step is safe to repeat, and what was done is known from what is there: objects in the archive, a row in the
database, a partition that is gone. So a run after a crash at any line finishes what the crashed one began.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import (
    EpochSpan,
    HotMonth,
    KeptCheckpoint,
    Segment,
    covering,
    is_closed,
    months_to_seal,
    partitions_to_drop,
)
from yoyaku.audit_log.usecases.sealing_ports import (
    EpochTrees,
    MonthNotSealedError,
    PartitionDropper,
    SealingReads,
    SealingWrites,
)
from yoyaku.audit_log.usecases.verify_segment import VerifySegment
from yoyaku.audit_log.usecases.write_segment import WriteSegment
from yoyaku.postgres.errors import LockTimeoutError
from yoyaku.tlog.tiles import TILE_WIDTH, hash_at


@dataclass(frozen=True, slots=True)
class Sealing:
    """What one run did. `waiting`: closed months that no checkpoint covers yet, or that cannot be dropped, and why."""

    sealed: Sequence[Segment]
    dropped: Sequence[Month]
    waiting: Sequence[str]


class SealMonths:
    """What the leader does every hour, and when it is told to."""

    def __init__(
        self,
        *,
        reads: SealingReads,
        writes: SealingWrites,
        dropper: PartitionDropper,
        trees: EpochTrees,
        write: WriteSegment,
        verify: VerifySegment,
        needs_cosignature: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._dropper = dropper
        self._trees = trees
        self._write = write
        self._verify = verify
        self._needs_cosignature = needs_cosignature
        self._now = now

    async def __call__(self, last: Month | None = None) -> Sealing:
        """Seal what is closed, up to and including the month `last` when it is given, and drop what is sealed.

        Raises SegmentNotWholeError, ArchiveDamagedError, ArchiveUnavailableError (each leaves the months before sealed
        and dropped), LeadershipLostError, and the errors of yoyaku.postgres.
        """
        head_time = await self._reads.head_time()
        months = [month for month in await self._reads.partitions() if is_closed(month, head_time)]
        hot = await self._reads.hot_months(months)
        epochs = {epoch.epoch: epoch for epoch in await self._reads.epochs()}
        sealed: list[Segment] = []
        waiting: list[str] = []
        dropped = await self._drop(head_time, waiting)
        for one in months_to_seal(hot, await self._reads.segments(), head_time):
            if last is not None and one.month > last:
                break
            epoch = epochs[one.epoch]
            size = one.last_position + 1 - epoch.first_position
            kept = await self._reads.checkpoints_covering(one.epoch, size)
            checkpoint = covering(kept, epoch, size, needs_cosignature=self._needs_cosignature)
            if checkpoint is None:
                waiting.append(f"{one.month}: no kept checkpoint of epoch {one.epoch} vouches for {size} entries yet")
                break
            sealed.append(await self._seal(one, epoch, checkpoint))
            dropped += await self._drop(head_time, waiting)
        return Sealing(sealed, dropped, waiting)

    async def _seal(self, hot: HotMonth, epoch: EpochSpan, checkpoint: KeptCheckpoint) -> Segment:
        digest = await self._write(hot, epoch, checkpoint)
        manifest = await self._verify(hot, epoch, checkpoint, digest)
        segment = Segment(
            month=hot.month,
            epoch=hot.epoch,
            first_position=hot.first_position,
            entry_count=hot.entry_count,
            checkpoint_size=checkpoint.size,
            root=manifest.root,
            manifest_sha256=digest,
            stored_bytes=sum(file.size_bytes for file in manifest.every_file()),
            sealed_at=self._now(),
        )
        tree = await self._trees.tree(epoch.epoch, manifest.end_size)
        width = manifest.end_size % TILE_WIDTH
        begin = epoch.first_position + manifest.end_size - width
        edge = {begin + place: hash_at(tree.partial(0), place) for place in range(width)}
        bodies = [bytes.fromhex(file.name[7:]) for file in manifest.files if file.name.startswith("bodies/")]
        await self._writes.record_sealed(segment, edge, bodies)
        return segment

    async def _drop(self, head_time: datetime, waiting: list[str]) -> list[Month]:
        partitions = [month for month in await self._reads.partitions() if is_closed(month, head_time)]
        hot = await self._reads.hot_months(partitions)
        dropped = []
        for month in partitions_to_drop(partitions, hot, await self._reads.segments(), head_time):
            try:
                if await self._dropper.drop(month):
                    dropped.append(month)
            except LockTimeoutError:
                waiting.append(f"{month}: sealed; its partition is in use and is dropped later")
            except MonthNotSealedError as refusal:
                waiting.append(f"{month}: {refusal}")
        return dropped
