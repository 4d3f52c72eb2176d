"""The questions services ask each other over the bus, and the answers.

Subjects and their frozen models. A request refuses unknown fields, an answer ignores them, so that the one who
answers may be newer. Anything that goes wrong is answered with `RpcError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from yoyaku.contracts.backup_v1 import BackupKind
from yoyaku.contracts.subjects import (
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
)
from yoyaku.contracts.values import Actor, Identifier, Moment

__all__ = [
    "RPCS",
    "RPC_AUDIT_LOG_SEARCH_V1",
    "RPC_BACKUP_COORDINATOR_LIST_V1",
    "RPC_BACKUP_COORDINATOR_RUN_V1",
    "AuditEntry",
    "AuditLogSearchReply",
    "AuditLogSearchRequest",
    "BackupListReply",
    "BackupListRequest",
    "BackupRun",
    "BackupRunReply",
    "BackupRunRequest",
    "BackupRunState",
    "Rpc",
    "RpcError",
    "RpcReply",
    "RpcRequest",
]


class RpcRequest(BaseModel):
    """A question: frozen, refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RpcReply(BaseModel):
    """An answer: frozen, ignores unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class RpcError(RpcReply):
    """The answer to a question that could not be answered."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    """Stable, for programs: `invalid_request`, `busy`, `internal_error` and those of each question."""
    detail: str
    """For people, without secrets."""


class AuditLogSearchRequest(RpcRequest):
    """Which entries to read, in order of their positions. Every given condition must hold."""

    requested_by: Actor
    """Who reads."""
    after_position: Annotated[int, Field(ge=-1)] = -1
    """Read on after this position; -1 starts at the first."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    actor: str | None = None
    subject: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    occurred_from: Moment | None = None
    """Facts at this moment or later."""
    occurred_before: Moment | None = None
    """Facts before this moment."""


class AuditEntry(RpcReply):
    """One recorded fact. What was unreadable has its envelope's fields empty and its bytes in `opaque_body`."""

    position: int
    """Zero-based and gap-free."""
    event_id: str | None
    source: str | None
    number: int | None
    type: str | None
    occurred_at: datetime | None
    recorded_at: Moment
    actor: str | None
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    client_address: str | None
    body: dict[str, Any] | None
    """The event's body, when it is a JSON object."""
    opaque_body: str | None = None
    """The bytes in base64, when they are not."""


class AuditLogSearchReply(RpcReply):
    """Entries in order of their positions."""

    entries: tuple[AuditEntry, ...]
    next_after_position: int | None
    """What to ask with for the next page; none at the end."""


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
