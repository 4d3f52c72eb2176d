"""Questions to the other services, by request and reply over the bus."""

from typing import Final, TypeVar

from pydantic import BaseModel

from yoyaku.booking.domain.errors import NotInAuditLogError, ServiceRefusedError, ServiceUnavailableError
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    RPC_BACKUP_COORDINATOR_LIST_V1,
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
    BackupListReply,
    BackupListRequest,
)
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request

AUDIT_LOG: Final = "audit-log"
BACKUP_COORDINATOR: Final = "backup-coordinator"
NOT_FOUND: Final = "not_found"
LATER: Final = frozenset({"unrecorded", "unavailable"})
"""Codes of the audit log for what may work in a moment: its database is away, so nobody could say who read."""

_Reply = TypeVar("_Reply", bound=BaseModel)


class NatsServices:
    """Asks, and waits a bounded time."""

    def __init__(self, broker: ServiceBroker, *, timeout_seconds: float) -> None:
        self._broker = broker
        self._timeout_seconds = timeout_seconds

    async def search_audit_log(self, question: AuditLogSearchRequest) -> AuditLogSearchReply:
        """Ask the audit log for entries. Raises ServiceUnavailableError, ServiceRefusedError."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)

    async def show_audit_entry(self, question: AuditLogShowRequest) -> AuditLogShowReply:
        """Ask for one entry with its proof. Raises NotInAuditLogError, and as above."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_SHOW_V1, question, AuditLogShowReply)

    async def audit_checkpoint(self, question: AuditLogCheckpointRequest) -> AuditLogCheckpointReply:
        """Ask for the newest checkpoint. Raises as above."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_CHECKPOINT_V1, question, AuditLogCheckpointReply)

    async def audit_consistency(self, question: AuditLogConsistencyRequest) -> AuditLogConsistencyReply:
        """Ask for the proof that one size extends another. Raises as above."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_CONSISTENCY_V1, question, AuditLogConsistencyReply)

    async def audit_file(self, question: AuditLogFileRequest) -> AuditLogFileReply:
        """Ask for a part of a file. Raises as above."""
        return await self._ask(AUDIT_LOG, RPC_AUDIT_LOG_FILE_V1, question, AuditLogFileReply)

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
            if error.code == NOT_FOUND:
                raise NotInAuditLogError from error
            if error.code in LATER:
                raise ServiceUnavailableError(service) from error
            raise ServiceRefusedError(service, error.code) from error
