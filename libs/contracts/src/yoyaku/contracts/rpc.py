"""The questions services ask each other over the bus, and the answers.

Subjects and their frozen models. A request refuses unknown fields, an answer ignores them, so that the one who
answers may be newer. Anything that goes wrong is answered with `RpcError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from yoyaku.contracts.backup_v1 import BackupKind
from yoyaku.contracts.rpc_audit import (
    AuditEntry,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
    AuditLogFileReply,
    AuditLogFileRequest,
    AuditLogForgetReply,
    AuditLogForgetRequest,
    AuditLogSealReply,
    AuditLogSealRequest,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    AuditLogSegment,
    AuditLogSegmentsReply,
    AuditLogSegmentsRequest,
    AuditLogShowReply,
    AuditLogShowRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
    AuditLogVerifyReply,
    AuditLogVerifyRequest,
    AuditResult,
    CosignedReply,
    CosignedRequest,
    OutboxResendReply,
    OutboxResendRequest,
    OutboxShardStatus,
    OutboxStatusReply,
    OutboxStatusRequest,
    WitnessReply,
    WitnessRequest,
)
from yoyaku.contracts.rpc_models import RpcError, RpcReply, RpcRequest
from yoyaku.contracts.subjects import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_FORGET_V1,
    RPC_AUDIT_LOG_SEAL_V1,
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SEGMENTS_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    RPC_AUDIT_LOG_VERIFY_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    RPC_SECURITY_DETECTOR_WITNESS_V1,
    outbox_resend_subject,
    outbox_status_subject,
)
from yoyaku.contracts.values import Actor, Identifier, Moment

__all__ = [
    "RPCS",
    "RPC_AUDIT_LOG_CHECKPOINT_V1",
    "RPC_AUDIT_LOG_CONSISTENCY_V1",
    "RPC_AUDIT_LOG_FILE_V1",
    "RPC_AUDIT_LOG_FORGET_V1",
    "RPC_AUDIT_LOG_SEAL_V1",
    "RPC_AUDIT_LOG_SEARCH_V1",
    "RPC_AUDIT_LOG_SEGMENTS_V1",
    "RPC_AUDIT_LOG_SHOW_V1",
    "RPC_AUDIT_LOG_STATUS_V1",
    "RPC_AUDIT_LOG_VERIFY_V1",
    "RPC_BACKUP_COORDINATOR_LIST_V1",
    "RPC_BACKUP_COORDINATOR_RUN_V1",
    "RPC_SECURITY_DETECTOR_COSIGNED_V1",
    "RPC_SECURITY_DETECTOR_WITNESS_V1",
    "AuditEntry",
    "AuditLogCheckpointReply",
    "AuditLogCheckpointRequest",
    "AuditLogConsistencyReply",
    "AuditLogConsistencyRequest",
    "AuditLogFileReply",
    "AuditLogFileRequest",
    "AuditLogForgetReply",
    "AuditLogForgetRequest",
    "AuditLogSealReply",
    "AuditLogSealRequest",
    "AuditLogSearchReply",
    "AuditLogSearchRequest",
    "AuditLogSegment",
    "AuditLogSegmentsReply",
    "AuditLogSegmentsRequest",
    "AuditLogShowReply",
    "AuditLogShowRequest",
    "AuditLogStatusReply",
    "AuditLogStatusRequest",
    "AuditLogVerifyReply",
    "AuditLogVerifyRequest",
    "AuditResult",
    "BackupListReply",
    "BackupListRequest",
    "BackupRun",
    "BackupRunReply",
    "BackupRunRequest",
    "BackupRunState",
    "CosignedReply",
    "CosignedRequest",
    "OutboxResendReply",
    "OutboxResendRequest",
    "OutboxShardStatus",
    "OutboxStatusReply",
    "OutboxStatusRequest",
    "Rpc",
    "RpcError",
    "RpcReply",
    "RpcRequest",
    "WitnessReply",
    "WitnessRequest",
]


class BackupRunState(StrEnum):
    """Where a backup run is."""

    RUNNING = "running"
    """Being taken by the leading coordinator."""
    COMPLETED = "completed"
    """Taken, and its manifest checked."""
    FAILED = "failed"
    """Ended without a usable result."""


class BackupRun(RpcReply):
    """One backup run."""

    run_id: Identifier
    kind: BackupKind
    state: BackupRunState
    started_at: Moment
    finished_at: Moment | None
    size_bytes: int | None = None
    file_count: int | None = None
    duration_seconds: float | None = None
    manifest_sha256: str | None = None
    reason: str | None = None
    """Why it failed."""


class BackupRunRequest(RpcRequest):
    """Take a backup now."""

    requested_by: Actor
    kind: BackupKind = BackupKind.FULL


class BackupRunReply(RpcReply):
    """The run that was begun or, for one that was waited for, ended."""

    run: BackupRun


class BackupListRequest(RpcRequest):
    """Which runs to list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50


class BackupListReply(RpcReply):
    """Runs, the newest first."""

    runs: tuple[BackupRun, ...]


OUTBOX_SERVICES: Final = ("booking", "audit-log", "security-detector", "backup-coordinator")
"""Every service that numbers events."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """A question's subject, who answers it, and both models."""

    subject: str
    service: str
    request: type[RpcRequest]
    reply: type[RpcReply]
    summary: str


RPCS: Final[Mapping[str, Rpc]] = MappingProxyType(
    {
        rpc.subject: rpc
        for rpc in (
            Rpc(
                RPC_AUDIT_LOG_SEARCH_V1,
                "audit-log",
                AuditLogSearchRequest,
                AuditLogSearchReply,
                "Ask the audit log for entries.",
            ),
            Rpc(
                RPC_AUDIT_LOG_SHOW_V1,
                "audit-log",
                AuditLogShowRequest,
                AuditLogShowReply,
                "Ask the audit log for one entry with its proof.",
            ),
            Rpc(
                RPC_AUDIT_LOG_CHECKPOINT_V1,
                "audit-log",
                AuditLogCheckpointRequest,
                AuditLogCheckpointReply,
                "Ask the audit log for its newest checkpoint.",
            ),
            Rpc(
                RPC_AUDIT_LOG_CONSISTENCY_V1,
                "audit-log",
                AuditLogConsistencyRequest,
                AuditLogConsistencyReply,
                "Ask the audit log for the proof that one size extends another.",
            ),
            Rpc(
                RPC_AUDIT_LOG_FILE_V1,
                "audit-log",
                AuditLogFileRequest,
                AuditLogFileReply,
                "Ask the audit log for one file of its tlog-tiles layout.",
            ),
            Rpc(
                RPC_AUDIT_LOG_FORGET_V1,
                "audit-log",
                AuditLogForgetRequest,
                AuditLogForgetReply,
                "Ask the audit log to destroy the key of a data subject.",
            ),
            Rpc(
                RPC_AUDIT_LOG_STATUS_V1,
                "audit-log",
                AuditLogStatusRequest,
                AuditLogStatusReply,
                "Ask the audit log how it stands.",
            ),
            Rpc(
                RPC_AUDIT_LOG_VERIFY_V1,
                "audit-log",
                AuditLogVerifyRequest,
                AuditLogVerifyReply,
                "Ask the audit log to verify itself now.",
            ),
            Rpc(
                RPC_AUDIT_LOG_SEAL_V1,
                "audit-log",
                AuditLogSealRequest,
                AuditLogSealReply,
                "Ask the audit log to seal its closed months now.",
            ),
            Rpc(
                RPC_AUDIT_LOG_SEGMENTS_V1,
                "audit-log",
                AuditLogSegmentsRequest,
                AuditLogSegmentsReply,
                "Ask the audit log which months are sealed.",
            ),
            Rpc(
                RPC_SECURITY_DETECTOR_WITNESS_V1,
                "security-detector",
                WitnessRequest,
                WitnessReply,
                "Ask the witness to cosign a checkpoint.",
            ),
            Rpc(
                RPC_SECURITY_DETECTOR_COSIGNED_V1,
                "security-detector",
                CosignedRequest,
                CosignedReply,
                "Ask the witness for the newest checkpoint that it cosigned.",
            ),
            *(
                Rpc(
                    outbox_status_subject(service),
                    service,
                    OutboxStatusRequest,
                    OutboxStatusReply,
                    f"Ask {service} how far it numbered its events.",
                )
                for service in OUTBOX_SERVICES
            ),
            *(
                Rpc(
                    outbox_resend_subject(service),
                    service,
                    OutboxResendRequest,
                    OutboxResendReply,
                    f"Ask {service} to publish events of its outbox again.",
                )
                for service in OUTBOX_SERVICES
            ),
            Rpc(
                RPC_BACKUP_COORDINATOR_RUN_V1,
                "backup-coordinator",
                BackupRunRequest,
                BackupRunReply,
                "Ask for a backup now.",
            ),
            Rpc(
                RPC_BACKUP_COORDINATOR_LIST_V1,
                "backup-coordinator",
                BackupListRequest,
                BackupListReply,
                "Ask which backups there are.",
            ),
        )
    }
)
"""Every question by its subject."""
