"""Puts together the answer to how the log stands; each part of the service adds its own under a name."""

from collections.abc import Mapping

from yoyaku.audit_log.adapters.postgres.standing import PostgresStanding
from yoyaku.audit_log.entrypoints.rpc.status import OnStatus
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.tell_status import StatusPart, TellStatus
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.audit_log.wiring.witnesses import inner_keys
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.rpc import serve
from yoyaku.postgres.pool import Pool


def answer_status(
    broker: ServiceBroker, pool: Pool, settings: AuditLogSettings, secrets: Secrets, parts: Mapping[str, StatusPart]
) -> None:
    """Answer `rpc.audit-log.status.v1` once the broker is started. Raises WitnessKeyFileError."""
    witness_keys = [one.vkey for one in settings.outside_witnesses]
    if settings.witness_public_keys_file is not None:
        inner = inner_keys(settings.witness_public_keys_file, settings.environment)
        witness_keys = [*(key.vkey for key in inner), *witness_keys]
    answer = OnStatus(
        TellStatus(PostgresStanding(pool), parts),
        environment=settings.environment,
        verifier_keys=lambda origin: [key.verifier.vkey for key in secrets.signing.of(origin)],
        witness_keys=witness_keys,
    )
    serve(broker, RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest, answer)
