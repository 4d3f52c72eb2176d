"""Read the audit log, for those who watch over the system. The audit log records each read before it answers."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.booking.domain.errors import NotInAuditLogError, ServiceUnavailableError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.contracts.rpc import (
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
    AuditLogFileReply,
    AuditLogFileRequest,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    AuditLogShowReply,
    AuditLogShowRequest,
    AuditResult,
)


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Conditions, all of which must hold. Times are aware; the later one is excluded."""

    actor: str | None = None
    subject: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    event_id: str | None = None
    client_address: str | None = None
    result: AuditResult | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Which page: entries after a position, or before it when the newest come first.

    `up_to`: the last position of a reading that goes on; None when it begins.
    """

    after: int = -1
    up_to: int | None = None
    limit: int = 100
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class AuditFile:
    """A file of the log's layout, whole."""

    content: bytes
    is_immutable: bool


class AuditLog(Protocol):
    """The audit log as it answers. Raises NotInAuditLogError, ServiceUnavailableError and ServiceRefusedError."""

    async def search_audit_log(self, question: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Ask for entries."""

    async def show_audit_entry(self, question: AuditLogShowRequest) -> AuditLogShowReply:
        """Ask for one entry with its proof."""

    async def audit_checkpoint(self, question: AuditLogCheckpointRequest) -> AuditLogCheckpointReply:
        """Ask for the newest checkpoint."""

    async def audit_consistency(self, question: AuditLogConsistencyRequest) -> AuditLogConsistencyReply:
        """Ask for the proof that one size extends another."""

    async def audit_file(self, question: AuditLogFileRequest) -> AuditLogFileReply:
        """Ask for a part of a file."""


@dataclass(frozen=True, slots=True)
class ReadAuditLog:
    """Every question raises NotPermittedError, and what AuditLog raises."""

    log: AuditLog
    check_permission: CheckPermission

    async def search(
        self, caller: Caller, filters: AuditFilters, page: AuditPage, *, kind: str = "search"
    ) -> AuditLogSearchReply:
        """Return a page of entries by position."""
        await self.check_permission(caller, Action.READ_AUDIT)
        return await self.log.search_audit_log(
            AuditLogSearchRequest(
                requested_by=caller.actor,
                asked_from=caller.client_address,
                after_position=page.after,
                up_to_position=page.up_to,
                limit=page.limit,
                newest_first=page.newest_first,
                kind=kind,
                actor=filters.actor,
                subject=filters.subject,
                type=filters.type,
                correlation_id=filters.correlation_id,
                event_id=filters.event_id,
                client_address=filters.client_address,
                result=filters.result,
                occurred_from=filters.occurred_from,
                occurred_before=filters.occurred_before,
                recorded_from=filters.recorded_from,
                recorded_before=filters.recorded_before,
            )
        )

    async def show(self, caller: Caller, *, position: int | None, event_id: str | None) -> AuditLogShowReply:
        """Return one entry, by position or by event id."""
        await self.check_permission(caller, Action.READ_AUDIT)
        return await self.log.show_audit_entry(
            AuditLogShowRequest(
                requested_by=caller.actor, asked_from=caller.client_address, position=position, event_id=event_id
            )
        )

    async def prove(self, caller: Caller, *, position: int | None, event_id: str | None) -> tuple[int, str]:
        """Return an entry's position and its proof file; ServiceUnavailableError until a checkpoint covers it."""
        shown = await self.show(caller, position=position, event_id=event_id)
        if shown.proof is None:
            raise ServiceUnavailableError("audit-log")
        return shown.entry.position, shown.proof

    async def checkpoint(self, caller: Caller, epoch: int | None) -> AuditLogCheckpointReply:
        """Return the newest checkpoint."""
        await self.check_permission(caller, Action.READ_AUDIT)
        return await self.log.audit_checkpoint(AuditLogCheckpointRequest(epoch=epoch))

    async def consistency(
        self, caller: Caller, *, epoch: int | None, old_size: int, new_size: int
    ) -> AuditLogConsistencyReply:
        """Return the proof that the log of `new_size` begins with that of `old_size`."""
        await self.check_permission(caller, Action.READ_AUDIT)
        return await self.log.audit_consistency(
            AuditLogConsistencyRequest(epoch=epoch, old_size=old_size, new_size=new_size)
        )

    async def file(self, caller: Caller, path: str, epoch: int | None) -> AuditFile:
        """Return a file of the log's layout, put together from as many answers as it needs."""
        await self.check_permission(caller, Action.READ_AUDIT)
        content = bytearray()
        while True:
            part = await self.log.audit_file(
                AuditLogFileRequest(
                    requested_by=caller.actor,
                    asked_from=caller.client_address,
                    path=path,
                    epoch=epoch,
                    offset=len(content),
                )
            )
            piece = base64.b64decode(part.content)
            content += piece
            if len(content) >= part.size_bytes:
                return AuditFile(bytes(content), part.is_immutable)
            if not piece:
                raise NotInAuditLogError
