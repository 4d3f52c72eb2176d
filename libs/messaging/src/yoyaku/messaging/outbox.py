"""The writer's half of the transactional outbox (EV-03): events become rows in the transaction that caused them.

Invariant: within a shard, numbers are free of gaps and in commit order. They are taken by the last statement before
commit, under the lock of the shard's counter row, so a later number cannot commit before an earlier one and a
rollback gives its numbers back. Several shards are locked in ascending order, so writers cannot deadlock here.
The relay (`yoyaku.messaging.relay`) publishes the rows; `sql/outbox.sql` holds the tables.
"""

import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from yoyaku.contracts.envelope import HEADER_SEQUENCE, Envelope, Event, to_headers
from yoyaku.contracts.registry import dataschema, encode
from yoyaku.observability.tracing import current_trace_id, current_traceparent
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import single_statement, transaction

SHARDS: Final = 64
"""Fixed for ever: it is part of every source's name and of the order consumers rely on."""

BODY_LIMIT_BYTES: Final = 512 * 1024
"""Half of what the server takes in one message (`max_payload`, 1 MiB), so that body and headers always fit."""

_APPEND: Final = """
WITH emitted AS (
    SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[])
    WITH ORDINALITY AS e (shard, event_id, type, headers, body, traceparent, position)
), locked AS MATERIALIZED (
    SELECT shard FROM outbox_shard WHERE shard = ANY ($1::smallint[]) ORDER BY shard FOR NO KEY UPDATE
), advanced AS (
    UPDATE outbox_shard AS s
    SET last_number = s.last_number + share.events,
        last_day = greatest(s.last_day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
    FROM locked JOIN (SELECT shard, count(*) AS events FROM emitted GROUP BY shard) AS share USING (shard)
    WHERE s.shard = share.shard
    RETURNING s.shard, s.last_number - share.events AS before, s.last_day
)
INSERT INTO outbox_event (day, shard, number, event_id, type, headers, body, traceparent)
SELECT a.last_day, e.shard, a.before + row_number() OVER (PARTITION BY e.shard ORDER BY e.position),
       e.event_id, e.type, e.headers::jsonb, e.body, e.traceparent
FROM emitted AS e JOIN advanced AS a ON a.shard = e.shard
"""

_APPEND_ONE: Final = """
WITH {change},
advanced AS (
    UPDATE outbox_shard
    SET last_number = last_number + 1,
        last_day = greatest(last_day, (clock_timestamp() AT TIME ZONE 'UTC')::date)
    WHERE shard = ${shard}::smallint AND {made}
    RETURNING shard, last_number, last_day
), appended AS (
    INSERT INTO outbox_event (day, shard, number, event_id, type, headers, body, traceparent)
    SELECT last_day, shard, last_number, ${event_id}::uuid, ${type}, ${headers}::text::jsonb, ${body}, ${traceparent}
    FROM advanced
)
SELECT {result}, {made} AS is_made
"""

_BACKLOG: Final = """
SELECT coalesce(sum(s.last_number - c.published_number), 0)::bigint AS pending,
       coalesce(extract(epoch FROM clock_timestamp() - min(first.created_at)), 0)::float8 AS oldest_age_seconds
FROM outbox_shard AS s
JOIN outbox_cursor AS c ON c.shard = s.shard
LEFT JOIN LATERAL (
    SELECT e.created_at FROM outbox_event AS e
    WHERE e.shard = c.shard AND e.number = c.published_number + 1 AND e.day BETWEEN c.published_day AND s.last_day
) AS first ON true
WHERE s.last_number > c.published_number
"""


class EventTooLargeError(ValueError):
    """An event's body is larger than the bus takes; it was not emitted."""

    def __init__(self, event_type: str, size_bytes: int) -> None:
        super().__init__(f"{event_type} has a body of {size_bytes} bytes, more than {BODY_LIMIT_BYTES}")
        self.event_type = event_type
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the outbox: how many events, and for how long the oldest of them (seconds, 0 when none waits)."""

    pending: int
    oldest_age_seconds: float


@dataclass(frozen=True, slots=True)
class _Row:
    shard: int
    event_id: str
    type: str
    headers: str
    body: bytes
    traceparent: str | None


def _row(
    event: Event,
    *,
    service: str,
    event_id: str,
    subject: str,
    actor: str,
    occurred_at: datetime,
    client_address: str | None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> _Row:
    shard = shard_of(subject)
    body = encode(event)
    if len(body) > BODY_LIMIT_BYTES:
        raise EventTooLargeError(event.TYPE, len(body))
    headers = to_headers(
        Envelope(
            id=event_id,
            source=source_of(service, shard),
            type=event.TYPE,
            time=occurred_at,
            subject=subject,
            sequence=0,
            actor=actor,
            correlation_id=correlation_id or current_trace_id() or event_id,
            causation_id=causation_id,
            client_address=client_address,
            dataschema=dataschema(event.TYPE),
        )
    )
    del headers[HEADER_SEQUENCE]  # the row's number, known at the append only
    return _Row(shard, event_id, event.TYPE, json.dumps(headers), body, current_traceparent())


def shard_of(subject: str) -> int:
    """Return the shard of an aggregate, 0 to 63: the same for ever, in every process."""
    return zlib.crc32(subject.encode()) % SHARDS


def source_of(service: str, shard: int) -> str:
    """Return the CloudEvents source of one shard: `/booking/07`."""
    return f"/{service}/{shard:02d}"


def with_event(change: str, *, made: str, result: str, parameters: int) -> str:
    """Return one statement that makes a change and, where it was made, numbers and appends its event.

    As a transaction of its own it needs one round trip where begin, change, append and commit need four. `change`: the
    CTEs of the change, which has `parameters` parameters. `made`: a condition that reads the CTE that makes the change,
    so that the change, with all that it may wait for, comes before the number is taken. `result`: what to return beside
    `is_made`. The event's values follow as `Outbox.change` passes them.
    """
    names = ("shard", "event_id", "type", "headers", "body", "traceparent")
    places = {name: str(parameters + position) for position, name in enumerate(names, 1)}
    return _APPEND_ONE.format(change=change, made=made, result=result, **places)


async def read_backlog(pool: Pool) -> Backlog:
    """Say what waits to be published. Raises the errors of `yoyaku.postgres.errors`."""
    async with transaction(pool, read_only=True) as connection:
        row = await connection.fetchrow(_BACKLOG)
    assert row is not None  # an aggregate without GROUP BY always has one row
    return Backlog(row["pending"], max(0.0, row["oldest_age_seconds"]))


class OutboxTransaction:
    """One transaction and the events it will commit with."""

    def __init__(
        self, connection: Connection, *, service: str, new_id: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        self.connection = connection
        self._service = service
        self._new_id = new_id
        self._now = now
        self._rows: list[_Row] = []

    def emit(
        self,
        event: Event,
        *,
        subject: str,
        actor: str,
        occurred_at: datetime | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        client_address: str | None = None,
    ) -> str:
        """Add an event to this transaction and return its id; it is published if and only if the transaction commits.

        `subject` names the aggregate (`reservation/<uuid>`): events of one aggregate are published in the order of
        their commits. `occurred_at`: aware, the time of the fact, else now. `correlation_id`: else the trace id, else
        the event's own id. Raises EventTooLargeError, and EnvelopeError for a naive time or an empty attribute.
        """
        row = _row(
            event,
            service=self._service,
            event_id=self._new_id(),
            subject=subject,
            actor=actor,
            occurred_at=occurred_at or self._now(),
            correlation_id=correlation_id,
            causation_id=causation_id,
            client_address=client_address,
        )
        self._rows.append(row)
        return row.event_id

    async def _append(self) -> bool:
        """Number and insert what was emitted; must be the last statement before commit. False when nothing was."""
        rows = self._rows
        if not rows:
            return False
        await self.connection.execute(
            _APPEND,
            [row.shard for row in rows],
            [row.event_id for row in rows],
            [row.type for row in rows],
            [row.headers for row in rows],
            [row.body for row in rows],
            [row.traceparent for row in rows],
        )
        return True


class Outbox:
    """Opens transactions that may emit events, and tells the relay after each commit that did."""

    def __init__(
        self,
        *,
        service: str,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._new_id = new_id
        self._now = now
        self._wake = wake

    @asynccontextmanager
    async def transaction(self, pool: Pool) -> AsyncIterator[OutboxTransaction]:
        """Run the block in one transaction; its effects and its events are committed together or not at all.

        Raises the errors of `yoyaku.postgres.errors`. An error of the commit itself (DatabaseUnavailableError) leaves
        open whether it happened, as with any database: retry under an idempotency key.
        """
        async with transaction(pool) as connection:
            tx = OutboxTransaction(connection, service=self._service, new_id=self._new_id, now=self._now)
            yield tx
            emitted = await tx._append()
        if emitted:
            self._wake()

    async def change(
        self,
        pool: Pool,
        statement: str,
        *values: Any,
        event: Event,
        subject: str,
        actor: str,
        client_address: str | None = None,
    ) -> asyncpg.Record | None:
        """Run one statement made by `with_event` as a transaction of its own; return its row.

        `values` are the change's own. Raises as `transaction` and `emit` do.
        """
        row = _row(
            event,
            service=self._service,
            event_id=self._new_id(),
            subject=subject,
            actor=actor,
            occurred_at=self._now(),
            client_address=client_address,
        )
        async with single_statement(pool) as connection:
            found = await connection.fetchrow(
                statement, *values, row.shard, row.event_id, row.type, row.headers, row.body, row.traceparent
            )
        if found is not None and found["is_made"]:
            self._wake()
        return found
