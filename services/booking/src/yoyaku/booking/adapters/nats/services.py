"""Questions to the other services, by request and reply over the bus."""

from typing import Final, TypeVar

from pydantic import BaseModel

from yoyaku.booking.domain.errors import ServiceRefusedError, ServiceUnavailableError
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    BackupListReply,
    BackupListRequest,
)
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request

AUDIT_LOG: Final = "audit-log"
BACKUP_COORDINATOR: Final = "backup-coordinator"

_Reply = TypeVar("_Reply", bound=BaseModel)


class NatsServices:
    """Asks, and waits a bounded time."""

    def __init__(self, broker: ServiceBroker, *, timeout_seconds: float) -> None:
        self._broker = broker
        self._timeout_seconds = timeout_seconds

    async def search_audit_log(self, question: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Ask the audit log for entries. Raises ServiceUnavailableError, ServiceRefusedError."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)

    async def list_backups(self, question: BackupListRequest) -> BackupListReply:
        """Ask the backup coordinator for its runs. Raises ServiceUnavailableError, ServiceRefusedError."""
        return await self._ask(BACKUP_COORDINATOR, RPC_BACKUP_COORDINATOR_LIST_V1, question, BackupListReply)

    async def _ask(self, service: str, subject: str, question: BaseModel, reply: type[_Reply]) -> _Reply:
        if not self._broker.is_connected:
            raise ServiceUnavailableError(service)
        try:
            return await request(self._broker, subject, question, reply, timeout_seconds=self._timeout_seconds)
        except RpcUnavailableError as error:
            raise ServiceUnavailableError(service) from error
        except RpcFailedError as error:
            raise ServiceRefusedError(service, error.code) from error
