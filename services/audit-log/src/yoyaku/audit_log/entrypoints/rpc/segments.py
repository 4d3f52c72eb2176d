"""Sealing by request-reply: a round now, asked of the leader; the segments, of any replica."""

from collections.abc import Sequence
from typing import Final

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import Segment
from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.entrypoints.sealing import Rounds
from yoyaku.audit_log.usecases.read_sealed import SealedPlaces
from yoyaku.contracts.rpc import (
    AuditLogSealReply,
    AuditLogSealRequest,
    AuditLogSegment,
    AuditLogSegmentsReply,
    AuditLogSegmentsRequest,
)
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.rpc import RpcFailedError

NOT_LEADING: Final = "not_leading"
"""Another replica leads, or none does: ask again."""
WAIT_SECONDS: Final = 3.0
"""How long an answer waits for the round, well within what an asker waits for an answer."""


class OnSeal:
    """Answers `rpc.audit-log.seal.v1`."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds

    async def __call__(self, request: AuditLogSealRequest) -> AuditLogSealReply:
        """Run a round, or say that one is running."""
        if not self._rounds.leads:
            raise RpcFailedError(NOT_LEADING, "this replica does not lead, or there is no archive")
        last = None if request.last_month is None else Month.parse(request.last_month)
        try:
            outcome = await self._rounds.now(last, WAIT_SECONDS)
        except LeadershipLostError as lost:
            raise RpcFailedError(NOT_LEADING, str(lost)) from lost
        if outcome is None:
            return AuditLogSealReply(is_running=True)
        return AuditLogSealReply(
            is_running=False,
            sealed=_months(outcome.sealing.sealed),
            dropped=tuple(str(month) for month in outcome.sealing.dropped),
            deleted=_months(outcome.deletion.recorded),
            expunged=_months(outcome.deletion.expunged),
            waiting=tuple(outcome.sealing.waiting),
            problem=outcome.problem,
        )


class OnSegments:
    """Answers `rpc.audit-log.segments.v1`."""

    def __init__(self, places: SealedPlaces) -> None:
        self._places = places

    async def __call__(self, _: AuditLogSegmentsRequest) -> AuditLogSegmentsReply:
        """Return all segments."""
        with refusals():
            segments = await self._places.segments()
        return AuditLogSegmentsReply(segments=tuple(_to_contract(segment) for segment in segments))


def _months(segments: Sequence[Segment]) -> tuple[str, ...]:
    return tuple(str(segment.month) for segment in segments)


def _to_contract(segment: Segment) -> AuditLogSegment:
    return AuditLogSegment(
        month=str(segment.month),
        epoch=segment.epoch,
        first_position=segment.first_position,
        entry_count=segment.entry_count,
        checkpoint_size=segment.checkpoint_size,
        stored_bytes=segment.stored_bytes,
        sealed_at=segment.sealed_at,
        deleted_at=segment.deleted_at,
    )
