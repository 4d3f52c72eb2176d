"""Appending to the log in PostgreSQL: all statements of the sequencer.

Invariant: nothing is written before the transaction has shown that this process still leads (the fence) and holds the
head row; so two sequencers never write side by side, and one that was fenced off never commits. Rows go in whole
statements, never by COPY: a process that is frozen inside a COPY keeps the fence for ever (decision 0080).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from opentelemetry import context as otel_context

from yoyaku.audit_log.domain.fact import Fact, headers_as_bytes
from yoyaku.audit_log.domain.sequence import Contradiction, Placed, Recorded
from yoyaku.audit_log.usecases.ports import Head
from yoyaku.contracts.audit_v1 import IntegrityViolated
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.observability.tracing import context_from
from yoyaku.postgres.pool import Pool

ACTOR: Final = "service/audit-log"

_HOLD_HEAD: Final = """
SELECT next_position, recorded_at, audit_make_partition(recorded_at)
  FROM (
    SELECT next_position, greatest(clock_timestamp(), last_recorded_at) AS recorded_at FROM audit_head FOR UPDATE
  ) head
"""
_RECORDED_UNDER: Final = """
SELECT known.source, known.number, known.position, known.event_id, known.fact_sha256
  FROM unnest($1::text[], $2::bigint[]) AS wanted (source, number)
 CROSS JOIN LATERAL (
    SELECT * FROM audit_recorded r WHERE r.source = wanted.source AND r.number = wanted.number LIMIT 1
 ) known
UNION
SELECT known.source, known.number, known.position, known.event_id, known.fact_sha256
  FROM unnest($3::text[]) AS wanted (event_id)
 CROSS JOIN LATERAL (
    SELECT * FROM audit_recorded r WHERE r.event_id = wanted.event_id LIMIT 1
 ) known
"""
_MOVE_HEAD: Final = "UPDATE audit_head SET next_position = $1, last_recorded_at = $2"
_KEEP_CONTRADICTION: Final = """
INSERT INTO audit_contradiction (source, number, found_sha256, kind, position, event_id, type, headers, body, stream,
                                 stream_sequence, found_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT ON CONSTRAINT audit_contradiction_once DO NOTHING
RETURNING true
"""
_ADD_RECORDED: Final = """
INSERT INTO audit_recorded (source, number, position, event_id, fact_sha256)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])
"""
_ADD_ENTRIES: Final = """
INSERT INTO audit_entry (recorded_at, position, event_id, source, number, type, occurred_at, actor, subject,
                         correlation_id, causation_id, client_address, traceparent, dataschema, body, body_sha256,
                         fact_sha256, headers, problem, stream, stream_sequence)
SELECT $1, entry.*
  FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[], $8::text[],
              $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[],
              $17::bytea[], $18::bytea[], $19::text[], $20::text[], $21::bigint[]) AS entry
"""


class PostgresLog:
    """The append side, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresLogTransaction"]:
        """Open a fenced transaction; raises LeadershipLostError when another process leads."""
        async with self._outbox.transaction(self._pool) as transaction:
            await self._lease.fence(transaction.connection)
            yield PostgresLogTransaction(transaction)


class PostgresLogTransaction:
    """One transaction of the sequencer."""

    def __init__(self, transaction: OutboxTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection

    async def hold_head(self) -> Head:
        """Hold the head row (another sequencer waits), and see that the month of recording has its partition."""
        row = await self._connection.fetchrow(_HOLD_HEAD)
        if row is None:
            raise RuntimeError("the head row of the audit log is missing")
        return Head(row["next_position"], row["recorded_at"])

    async def recorded_under(self, facts: Sequence[Fact]) -> Sequence[Recorded]:
        """Return what is recorded under any number or event id of these facts."""
        rows = await self._connection.fetch(
            _RECORDED_UNDER,
            [fact.source for fact in facts],
            [fact.number for fact in facts],
            [fact.event_id for fact in facts if fact.event_id is not None],
        )
        return [Recorded(*row) for row in rows]

    async def append(self, placed: Sequence[Placed], recorded_at: datetime) -> None:
        """Write entries and move the head past the last of them."""
        await self._connection.execute(_ADD_RECORDED, *zip(*map(_recorded_row, placed), strict=True))
        await self._connection.execute(_ADD_ENTRIES, recorded_at, *zip(*map(_entry_row, placed), strict=True))
        await self._connection.execute(_MOVE_HEAD, placed[-1].position + 1, recorded_at)

    async def keep_contradictions(
        self, contradictions: Sequence[Contradiction], found_at: datetime
    ) -> Sequence[Contradiction]:
        """Keep the evidence; return those that were not known before."""
        new = []
        for contradiction in contradictions:
            fact = contradiction.fact
            is_new = await self._connection.fetchval(
                _KEEP_CONTRADICTION,
                fact.source,
                fact.number,
                fact.fact_sha256,
                contradiction.kind.value,
                contradiction.recorded.position,
                fact.event_id,
                fact.type,
                headers_as_bytes(fact.headers),
                fact.body,
                fact.origin.stream,
                fact.origin.sequence,
                found_at,
            )
            if is_new:
                new.append(contradiction)
        return new

    def report(self, contradiction: Contradiction) -> None:
        """Tell `audit.integrity.violated.v1` through the outbox of this transaction, in the trace of the fact."""
        fact = contradiction.fact
        event = IntegrityViolated(
            kind=contradiction.kind.value,
            event_id=fact.event_id or f"{fact.origin.stream}/{fact.origin.sequence}",
            source=fact.source,
            number=fact.number,
            expected_sha256=contradiction.recorded.fact_sha256.hex(),
            found_sha256=fact.fact_sha256.hex(),
        )
        token = otel_context.attach(context_from(fact.traceparent))
        try:
            self._transaction.emit(
                event,
                subject=f"entry/{contradiction.recorded.position}",
                actor=ACTOR,
                correlation_id=fact.correlation_id,
                causation_id=fact.event_id,
            )
        finally:
            otel_context.detach(token)


def _recorded_row(placed: Placed) -> tuple[object, ...]:
    fact = placed.fact
    return (fact.source, fact.number, placed.position, fact.event_id, fact.fact_sha256)


def _entry_row(placed: Placed) -> tuple[object, ...]:
    fact = placed.fact
    return (
        placed.position,
        fact.event_id,
        fact.source,
        fact.number,
        fact.type,
        fact.occurred_at,
        fact.actor,
        fact.subject,
        fact.correlation_id,
        fact.causation_id,
        fact.client_address,
        fact.traceparent,
        fact.dataschema,
        fact.body,
        fact.body_sha256,
        fact.fact_sha256,
        headers_as_bytes(fact.headers) if fact.problem is not None else None,
        fact.problem,
        fact.origin.stream,
        fact.origin.sequence,
    )
