"""Verify sealed months again and again, one after the other, so that damage is found while other copies exist."""

from collections.abc import Sequence

from yoyaku.audit_log.domain.segment import HotMonth, KeptCheckpoint, Segment
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError
from yoyaku.audit_log.usecases.sealed_entries import DamageReports
from yoyaku.audit_log.usecases.sealing_ports import SealingReads
from yoyaku.audit_log.usecases.verify_segment import VerifySegment


class InspectArchive:
    """Verifies one segment a call, and begins anew after the last."""

    def __init__(self, reads: SealingReads, verify: VerifySegment, reports: DamageReports) -> None:
        self._reads = reads
        self._verify = verify
        self._reports = reports
        self._after = -1

    async def __call__(self) -> Segment | None:
        """Read the next segment back and verify it; None when nothing is sealed. Damage is reported.

        Raises ArchiveUnavailableError, and the errors of `Trees` and yoyaku.postgres.
        """
        segment = self._next(await self._reads.segments())
        if segment is None:
            return None
        self._after = segment.first_position
        epoch = next(one for one in await self._reads.epochs() if one.epoch == segment.epoch)
        kept = await self._reads.checkpoints_covering(segment.epoch, segment.checkpoint_size)
        checkpoint: KeptCheckpoint = next(one for one in kept if one.size == segment.checkpoint_size)
        month = HotMonth(
            segment.month, segment.epoch, segment.first_position, segment.entry_count, segment.end_position - 1
        )
        try:
            await self._verify(month, epoch, checkpoint, segment.manifest_sha256)
        except ArchiveDamagedError as damage:
            await self._reports.report_damage(damage)
        return segment

    def _next(self, segments: Sequence[Segment]) -> Segment | None:
        alive = [segment for segment in segments if segment.deleted_at is None]
        later = [segment for segment in alive if segment.first_position > self._after]
        return next(iter(later or alive), None)
