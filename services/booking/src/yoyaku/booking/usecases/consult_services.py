"""Read what other services keep, for those who watch over the system: the audit log and the list of backups."""

from dataclasses import dataclass
from typing import Protocol

from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.contracts.rpc import AuditLogSearchReply, AuditLogSearchRequest, BackupListReply, BackupListRequest


class OtherServices(Protocol):
    """The services that answer. Raises ServiceUnavailableError and ServiceRefusedError."""

    async def search_audit_log(self, request: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Ask the audit log for entries."""

    async def list_backups(self, request: BackupListRequest) -> BackupListReply:
        """Ask the backup coordinator for its runs."""


@dataclass(frozen=True, slots=True)
class SearchAuditLog:
    """Reads the audit log."""

    services: OtherServices
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, *, after_position: int, limit: int) -> AuditLogSearchReply:
        """Return entries by position. Raises NotPermittedError, ServiceUnavailableError, ServiceRefusedError."""
        await self.check_permission(caller, Action.READ_AUDIT)
        return await self.services.search_audit_log(
            AuditLogSearchRequest(requested_by=caller.actor, after_position=after_position, limit=limit)
        )


@dataclass(frozen=True, slots=True)
class ListBackups:
    """Lists backup runs."""

    services: OtherServices
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, *, limit: int) -> BackupListReply:
        """Return the newest runs. Raises NotPermittedError, ServiceUnavailableError, ServiceRefusedError."""
        await self.check_permission(caller, Action.READ_BACKUPS)
        return await self.services.list_backups(BackupListRequest(limit=limit))
