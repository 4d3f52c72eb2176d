"""One entry with its proof, the newest checkpoint, and proofs of consistency, by request-reply."""

import base64

from yoyaku.audit_log.entrypoints.rpc.refusals import refusals
from yoyaku.audit_log.entrypoints.rpc.search import to_contract
from yoyaku.audit_log.usecases.prove_consistency import ProveConsistency, ReadCheckpoint
from yoyaku.audit_log.usecases.reader_ports import Reader
from yoyaku.audit_log.usecases.show_entry import ShowEntry
from yoyaku.contracts.rpc import (
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
    AuditLogShowReply,
    AuditLogShowRequest,
)
from yoyaku.messaging.rpc import INVALID_REQUEST, RpcFailedError


class OnShow:
    """Answers `rpc.audit-log.show.v1`."""

    def __init__(self, show: ShowEntry) -> None:
        self._show = show

    async def __call__(self, request: AuditLogShowRequest) -> AuditLogShowReply:
        """Return an entry, its leaf, and a proof file."""
        if (request.event_id is None) == (request.position is None):
            raise RpcFailedError(INVALID_REQUEST, "either an event id or a position names an entry")
        with refusals():
            shown = await self._show(
                Reader(request.requested_by, request.asked_from), position=request.position, event_id=request.event_id
            )
        return AuditLogShowReply(
            entry=to_contract(shown.entry),
            leaf=base64.b64encode(shown.entry.leaf).decode(),
            epoch=shown.epoch,
            proof=shown.proof,
        )


class OnCheckpoint:
    """Answers `rpc.audit-log.checkpoint.v1`."""

    def __init__(self, read: ReadCheckpoint) -> None:
        self._read = read

    async def __call__(self, request: AuditLogCheckpointRequest) -> AuditLogCheckpointReply:
        """Return the newest checkpoint of an epoch."""
        with refusals():
            found = await self._read(request.epoch)
        return AuditLogCheckpointReply(epoch=found.epoch, origin=found.origin, size=found.size, note=found.note)


class OnConsistency:
    """Answers `rpc.audit-log.consistency.v1`."""

    def __init__(self, prove: ProveConsistency) -> None:
        self._prove = prove

    async def __call__(self, request: AuditLogConsistencyRequest) -> AuditLogConsistencyReply:
        """Return the proof that one size extends another."""
        with refusals():
            epoch, hashes = await self._prove(request.epoch, request.old_size, request.new_size)
        return AuditLogConsistencyReply(epoch=epoch, proof=tuple(base64.b64encode(one).decode() for one in hashes))
