"""Delete the sealed months whose retention is over: first the recorded fact, then the files.

The files go when the fact is an entry of the log that a kept checkpoint vouches for, so that nobody can take what was
deleted for what was lost. Hash tiles and checkpoints stay for ever: later entries are proven by them. A bundle that
holds entries of two months is the later month's, and goes with it. What is to go follows from the segment alone, so a
run after a crash at any line deletes the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from yoyaku.audit_log.domain.archive import body_name, new_bundles, segment_folder
from yoyaku.audit_log.domain.segment import EpochSpan, Segment, covering, segments_over
from yoyaku.audit_log.usecases.archive_ports import Archive
from yoyaku.audit_log.usecases.sealing_ports import DeletedSegment, PartitionDropper, SealingReads, SealingWrites
from yoyaku.tlog.tiles import entries_path


@dataclass(frozen=True, slots=True)
class Deletion:
    """What one run did: segments whose deletion it recorded, and those whose files it deleted."""

    recorded: Sequence[Segment]
    expunged: Sequence[Segment]


class DeleteSegments:
    """What the leader does every hour."""

    def __init__(
        self,
        reads: SealingReads,
        writes: SealingWrites,
        dropper: PartitionDropper,
        archive: Archive,
        *,
        retention_years: int,
        needs_cosignature: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._dropper = dropper
        self._archive = archive
        self._retention_years = retention_years
        self._needs_cosignature = needs_cosignature
        self._now = now

    async def __call__(self) -> Deletion:
        """Record what is over, and delete the files of what is recorded and proven.

        Over is what both this machine's clock and the log's last time of recording say is over, so that one wrong
        clock deletes nothing. Raises ArchiveUnavailableError, LeadershipLostError, and the errors of yoyaku.postgres.
        """
        now = min(self._now(), await self._reads.head_time())
        over = segments_over(await self._reads.segments(), now, self._retention_years)
        recorded = [segment for segment in over if await self._writes.record_deleted(segment, now)]
        expunged = []
        epochs = await self._reads.epochs()
        for deleted in await self._reads.deleted():
            if await self._is_proven(deleted, epochs):
                await self._expunge(deleted.segment, epochs)
                await self._writes.record_expunged(deleted.segment, now)
                expunged.append(deleted.segment)
        return Deletion(recorded, expunged)

    async def _is_proven(self, deleted: DeletedSegment, epochs: Sequence[EpochSpan]) -> bool:
        position = deleted.fact_position
        if position is None:
            return False
        epoch = max((one for one in epochs if one.first_position <= position), key=lambda one: one.first_position)
        size = position + 1 - epoch.first_position
        kept = await self._reads.checkpoints_covering(epoch.epoch, size)
        return covering(kept, epoch, size, needs_cosignature=self._needs_cosignature) is not None

    async def _expunge(self, segment: Segment, epochs: Sequence[EpochSpan]) -> None:
        epoch = next(one for one in epochs if one.epoch == segment.epoch)
        origin = epoch.origin
        await self._dropper.expire_clients(segment)
        begin_size = segment.first_position - epoch.first_position
        doomed = [entries_path(bundle) for bundle in new_bundles(begin_size, begin_size + segment.entry_count)]
        doomed += [body_name(digest) for digest in await self._reads.only_bodies_of(segment)]
        for name in doomed:
            await self._archive.delete(f"{origin}/{name}")
        # By listing, so that what a crashed run left under another digest goes too.
        names = [name async for name in self._archive.names(f"{origin}/{segment_folder(segment.month)}")]
        for name in names:
            await self._archive.delete(name)
