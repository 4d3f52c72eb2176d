"""What contradicts an entry: kept as evidence, told once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opentelemetry import context as otel_context

from yoyaku.audit_log.domain.sequence import Contradiction, Evidence
from yoyaku.audit_log.usecases.ports import ACTOR
from yoyaku.contracts.audit_v1 import IntegrityViolated
from yoyaku.messaging.outbox import OutboxTransaction
from yoyaku.observability.tracing import context_from
from yoyaku.postgres.pool import Connection

REFERENCES_APART: Final = "\n"
"""Between the references of several keys in one column."""

_KEEP_CONTRADICTION: Final = """
INSERT INTO audit_contradiction (source, number, found_sha256, kind, position, event_id, type, headers, body, stream,
                                 stream_sequence, found_at, key_reference)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT ON CONSTRAINT audit_contradiction_once DO NOTHING
RETURNING true
"""


async def keep_contradictions(
    connection: Connection, contradictions: Sequence[tuple[Contradiction, Evidence]], found_at: datetime
) -> Sequence[Contradiction]:
    """Keep the evidence; return those that were not known before."""
    new = []
    for contradiction, evidence in contradictions:
        fact = contradiction.fact
        is_new = await connection.fetchval(
            _KEEP_CONTRADICTION,
            fact.source,
            fact.number,
            contradiction.digest.value,
            contradiction.kind.value,
            contradiction.recorded.position,
            fact.event_id,
            fact.type,
            evidence.headers,
            evidence.body,
            fact.origin.stream,
            fact.origin.sequence,
            found_at,
            REFERENCES_APART.join(evidence.key_references) or None,
        )
        if is_new:
            new.append(contradiction)
    return new


def report(transaction: OutboxTransaction, contradiction: Contradiction) -> None:
    """Tell `audit.integrity.violated.v1` through the outbox of a transaction, in the trace of the fact."""
    fact = contradiction.fact
    event = IntegrityViolated(
        kind=contradiction.kind.value,
        event_id=fact.event_id or f"{fact.origin.stream}/{fact.origin.sequence}",
        source=fact.source,
        number=fact.number,
        expected_sha256=contradiction.recorded.digest.value.hex(),
        found_sha256=contradiction.digest.value.hex(),
    )
    token = otel_context.attach(context_from(fact.traceparent))
    try:
        transaction.emit(
            event,
            subject=f"entry/{contradiction.recorded.position}",
            actor=ACTOR,
            correlation_id=fact.correlation_id,
            causation_id=fact.event_id,
        )
    finally:
        otel_context.detach(token)
