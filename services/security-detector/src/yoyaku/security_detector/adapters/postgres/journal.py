"""Failures, incidents and blocks, written by the leader alone.

Invariant: every transaction is fenced with the leader's lease, and evidence, incidents, blocks and their events are
committed together.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from yoyaku.contracts.security_v1 import BlockExpired, BlockImposed, BlockKind, IncidentOpened
from yoyaku.contracts.security_v1 import Severity as ContractSeverity
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.observability.tracing import context_from, current_traceparent
from yoyaku.postgres.pool import Pool
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.verdict import Incident, Verdict
from yoyaku.security_detector.usecases.ports import JournalTransaction, Surroundings

ACTOR: Final = "service/security-detector"

_RECORD: Final = """
INSERT INTO failed_sign_in (event_id, address, occurred_at, correlation_id, traceparent)
SELECT event_id, address, occurred_at, correlation_id, traceparent
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
    AS given (event_id, address, occurred_at, correlation_id, traceparent)
ORDER BY event_id
ON CONFLICT DO NOTHING
RETURNING event_id
"""

_OPEN_FAILURES: Final = """
SELECT f.event_id, f.address, f.occurred_at, f.correlation_id, f.traceparent
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS near (address, first, last)
JOIN failed_sign_in AS f ON f.address = near.address AND f.incident_id IS NULL
    AND f.occurred_at BETWEEN near.first - $4::interval AND near.last + $4::interval
"""

_INCIDENTS: Final = """
SELECT i.incident_id::text, i.address, i.event_ids, i.opened_at, i.covers_until, i.rule
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS near (address, first, last)
JOIN incident AS i ON i.address = near.address
    AND i.covers_until >= near.first - $4::interval
    AND i.opened_at <= near.last + $4::interval + greatest($4::interval, $5::interval)
ORDER BY i.opened_at
"""

_SETTLE: Final = """
UPDATE failed_sign_in AS f SET incident_id = settled.incident_id
FROM unnest($1::text[], $2::uuid[]) AS settled (event_id, incident_id)
WHERE f.event_id = settled.event_id AND f.incident_id IS NULL
"""

_OPEN_INCIDENT: Final = """
INSERT INTO incident (incident_id, rule, rule_version, severity, address, event_ids, decided_by, opened_at,
                      covers_until, decided_at, correlation_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_IMPOSE: Final = """
INSERT INTO block (block_id, incident_id, kind, value, until, reason, rule, correlation_id, traceparent,
                   imposed_event_id, imposed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_EXPIRE: Final = """
UPDATE block SET expired_at = $1 WHERE block_id = ANY (ARRAY(
    SELECT block_id FROM block WHERE expired_at IS NULL AND until <= $1 ORDER BY block_id FOR UPDATE))
RETURNING block_id::text, kind, value, correlation_id, imposed_event_id::text
"""

_FORGET: Final = "DELETE FROM failed_sign_in WHERE recorded_at < $1"


class PostgresJournal:
    """The journal of one term of leadership."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[JournalTransaction]:
        """Open a fenced transaction. Raises LeadershipLostError and the errors of yoyaku.postgres."""
        async with self._outbox.transaction(self._pool) as transaction:
            await self._lease.fence(transaction.connection)
            yield PostgresJournalTransaction(transaction)


class PostgresJournalTransaction:
    """One transaction of the leader."""

    def __init__(self, transaction: OutboxTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection

    async def record(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        """Keep failures and return those that were not known before, each once."""
        given = {failure.event_id: failure for failure in failures}
        rows = await self._connection.fetch(
            _RECORD,
            list(given),
            [failure.address for failure in given.values()],
            [failure.occurred_at for failure in given.values()],
            [failure.correlation_id for failure in given.values()],
            [failure.traceparent for failure in given.values()],
        )
        return [given[row["event_id"]] for row in rows]

    async def surroundings(self, rule: Rule, fresh: Sequence[Failure]) -> Mapping[str, Surroundings]:
        """Return what may bear on these failures, by address."""
        near = _ranges(fresh)
        failures: dict[str, list[Failure]] = defaultdict(list)
        for row in await self._connection.fetch(_OPEN_FAILURES, *near, rule.window):
            failures[row["address"]].append(Failure(**row))
        incidents: dict[str, list[Incident]] = defaultdict(list)
        for row in await self._connection.fetch(_INCIDENTS, *near, rule.window, rule.block_for):
            incidents[row["address"]].append(_to_incident(row))
        return {address: Surroundings(found, incidents[address]) for address, found in failures.items()}

    async def settle(self, incident_of: Mapping[str, str]) -> None:
        """Tie failures to the incident each belongs to; one that has an incident keeps it."""
        await self._connection.execute(_SETTLE, list(incident_of), list(incident_of.values()))

    async def open_incident(self, rule: Rule, verdict: Verdict, now: datetime) -> Block | None:
        """Keep an incident with its block and emit both events, in the trace of the deciding failure."""
        incident, decided_by = verdict.incident, verdict.decided_by
        attributes = {telemetry.RULE_ATTRIBUTE: rule.name, telemetry.INCIDENT_ATTRIBUTE: incident.incident_id}
        with telemetry.TRACER.start_as_current_span(
            telemetry.IMPOSE_SPAN, context=context_from(decided_by.traceparent), attributes=attributes
        ):
            await self._keep_incident(rule, verdict, now)
            return None if verdict.is_over(now) else await self._impose(rule, verdict, now)

    async def expire(self, now: datetime) -> int:
        """Record every block whose time is over as expired and emit the events."""
        rows = await self._connection.fetch(_EXPIRE, now)
        for row in rows:
            event = BlockExpired(block_id=row["block_id"], kind=BlockKind(row["kind"]), value=row["value"])
            self._transaction.emit(
                event,
                subject=f"block/{row['block_id']}",
                actor=ACTOR,
                occurred_at=now,
                correlation_id=row["correlation_id"],
                causation_id=row["imposed_event_id"],
            )
        return len(rows)

    async def forget(self, before: datetime) -> int:
        """Drop failures recorded before a moment."""
        done: str = await self._connection.execute(_FORGET, before)
        return int(done.rpartition(" ")[2])

    async def _keep_incident(self, rule: Rule, verdict: Verdict, now: datetime) -> None:
        incident, decided_by = verdict.incident, verdict.decided_by
        await self._connection.execute(
            _OPEN_INCIDENT,
            incident.incident_id,
            rule.name,
            rule.version,
            rule.severity,
            incident.address,
            list(incident.event_ids),
            decided_by.event_id,
            incident.opened_at,
            incident.covers_until,
            now,
            decided_by.correlation_id,
        )
        event = IncidentOpened(
            incident_id=incident.incident_id,
            rule=rule.name,
            rule_version=rule.version,
            severity=ContractSeverity(rule.severity),
            client_address=incident.address,
            event_ids=incident.event_ids,
            opened_at=incident.opened_at,
        )
        self._emit(event, f"incident/{incident.incident_id}", verdict, now)

    async def _impose(self, rule: Rule, verdict: Verdict, now: datetime) -> Block:
        incident = verdict.incident
        await self.expire(now)
        block = Block(
            block_id=verdict.block_id,
            incident_id=incident.incident_id,
            value=incident.address,
            until=incident.covers_until,
            reason=rule.name,
            rule=rule.name,
            decided_at_event_time=incident.opened_at,
            traceparent=current_traceparent(),
        )
        event = BlockImposed(
            block_id=block.block_id,
            incident_id=block.incident_id,
            kind=BlockKind(block.kind),
            value=block.value,
            until=block.until,
            reason=block.reason,
        )
        imposed_event_id = self._emit(event, f"block/{block.block_id}", verdict, now)
        await self._connection.execute(
            _IMPOSE,
            block.block_id,
            block.incident_id,
            block.kind,
            block.value,
            block.until,
            block.reason,
            block.rule,
            verdict.decided_by.correlation_id,
            block.traceparent,
            imposed_event_id,
            now,
        )
        return block

    def _emit(self, event: IncidentOpened | BlockImposed, subject: str, verdict: Verdict, now: datetime) -> str:
        return self._transaction.emit(
            event,
            subject=subject,
            actor=ACTOR,
            occurred_at=now,
            correlation_id=verdict.decided_by.correlation_id,
            causation_id=verdict.decided_by.event_id,
            client_address=verdict.incident.address,
        )


def _ranges(failures: Sequence[Failure]) -> tuple[list[str], list[datetime], list[datetime]]:
    moments: dict[str, list[datetime]] = defaultdict(list)
    for failure in failures:
        moments[failure.address].append(failure.occurred_at)
    return list(moments), [min(times) for times in moments.values()], [max(times) for times in moments.values()]


def _to_incident(row: Any) -> Incident:
    return Incident(
        row["incident_id"], row["address"], tuple(row["event_ids"]), row["opened_at"], row["covers_until"], row["rule"]
    )
