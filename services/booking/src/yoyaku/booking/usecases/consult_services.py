"""Read what other services keep, for those who watch over the system: the list of backups."""

from dataclasses import dataclass
from typing import Protocol

from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.contracts.rpc import BackupListReply, BackupListRequest


class OtherServices(Protocol):
    """The services that answer. Raises ServiceUnavailableError and ServiceRefusedError."""

    async def list_backups(self, request: BackupListRequest) -> BackupListReply:
        """Ask the backup coordinator for its runs."""


@dataclass(frozen=True, slots=True)
class ListBackups:
    """Lists backup runs."""

    services: OtherServices
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, *, limit: int) -> BackupListReply:
        """Return the newest runs. Raises NotPermittedError, ServiceUnavailableError, ServiceRefusedError."""
        await self.check_permission(caller, Action.READ_BACKUPS)
        return await self.services.list_backups(BackupListRequest(limit=limit))
