"""Facts about backup runs."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from yoyaku.contracts.envelope import Event
from yoyaku.contracts.subjects import BACKUP_RUN_COMPLETED_V1, BACKUP_RUN_FAILED_V1, BACKUP_RUN_STARTED_V1
from yoyaku.contracts.values import Identifier, Sha256Hex, ShortText


class BackupKind(StrEnum):
    """How much of the cluster a backup holds."""

    FULL = "full"
    """All of it: restorable alone."""


class BackupRunStarted(Event):
    """A backup began."""

    TYPE: ClassVar[str] = BACKUP_RUN_STARTED_V1

    run_id: Identifier
    kind: BackupKind


class BackupRunCompleted(Event):
    """A backup was taken and its manifest checked."""

    TYPE: ClassVar[str] = BACKUP_RUN_COMPLETED_V1

    run_id: Identifier
    kind: BackupKind
    size_bytes: Annotated[int, Field(ge=0)]
    file_count: Annotated[int, Field(ge=0)]
    duration_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    manifest_sha256: Sha256Hex


class BackupRunFailed(Event):
    """A backup ended without a usable result."""

    TYPE: ClassVar[str] = BACKUP_RUN_FAILED_V1

    run_id: Identifier
    kind: BackupKind
    reason: ShortText
    """What went wrong, without secrets."""
