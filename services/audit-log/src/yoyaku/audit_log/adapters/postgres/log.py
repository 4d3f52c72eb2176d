"""Appending to the log in PostgreSQL: all statements of the sequencer.

Invariant: nothing is written before the transaction has shown that this process still leads (the fence) and holds the
head row; so two sequencers never write side by side, and one that was fenced off never commits. Rows go in whole
statements, never by COPY: a process that is frozen inside a COPY keeps the fence for ever (decision 0080).
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from asyncpg import Record

from yoyaku.audit_log.adapters.personal_keys import SubjectKeys
from yoyaku.audit_log.adapters.postgres.contradictions import REFERENCES_APART, keep_contradictions, report
from yoyaku.audit_log.adapters.postgres.obstacles import obstacles
from yoyaku.audit_log.adapters.postgres.personal_keys import PostgresPersonalKeys
from yoyaku.audit_log.adapters.postgres.tree_rows import PostgresTreeRows
from yoyaku.audit_log.adapters.postgres.unproven import unproven_from
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.new_entry import NewEntry, PassedOver
from yoyaku.audit_log.domain.sequence import Contradiction, Evidence, FactDigest, Recorded
from yoyaku.audit_log.usecases.ports import DamagedLogError, Head, Unproven
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Pool

_HOLD_HEAD: Final = """
SELECT next_position, recorded_at, audit_make_partition(recorded_at)
  FROM (
    SELECT next_position, greatest(clock_timestamp(), last_recorded_at) AS recorded_at
      FROM audit_head WHERE isfinite(last_recorded_at) FOR UPDATE
  ) head
"""
_RECORDED_UNDER: Final = """
SELECT known.source, known.number, known.position, known.event_id, known.fact_digest,
       known.digest_key_reference
  FROM unnest($1::text[], $2::bigint[]) AS wanted (source, number)
 CROSS JOIN LATERAL (
    SELECT * FROM audit_recorded r WHERE r.source = wanted.source AND r.number = wanted.number LIMIT 1
 ) known
UNION
SELECT known.source, known.number, known.position, known.event_id, known.fact_digest,
       known.digest_key_reference
  FROM unnest($3::text[]) AS wanted (event_id)
 CROSS JOIN LATERAL (
    SELECT * FROM audit_recorded r WHERE r.event_id = wanted.event_id LIMIT 1
 ) known
"""
_MAKE_PARTITION: Final = "SELECT audit_make_partition($1)"
_MOVE_HEAD: Final = "UPDATE audit_head SET next_position = $1, last_recorded_at = $2"
_ADD_RECORDED: Final = """
INSERT INTO audit_recorded (source, number, position, event_id, fact_digest, digest_key_reference)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::text[])
"""
_UNLESS_THERE: Final = " ON CONFLICT DO NOTHING"
_ADD_ENTRIES: Final = """
INSERT INTO audit_entry (position, recorded_at, epoch, leaf, leaf_hash, event_id, source, number, type, occurred_at,
                         actor, subject, correlation_id, result, traceparent, stream, stream_sequence)
SELECT *
  FROM unnest($1::bigint[], $2::timestamptz[], $3::int[], $4::bytea[], $5::bytea[], $6::text[], $7::text[],
              $8::bigint[], $9::text[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[],
              $15::text[], $16::text[], $17::bigint[])
"""
_ADD_BODIES: Final = """
INSERT INTO audit_body (position, recorded_at, sha256, content)
SELECT position, recorded_at, sha256(content), content
  FROM unnest($1::bigint[], $2::timestamptz[], $3::bytea[]) AS body (position, recorded_at, content)
"""
_ADD_CLIENTS: Final = """
INSERT INTO audit_client (digest, position, key_reference) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[])
ON CONFLICT DO NOTHING
"""
_NOTE_NUMBERS: Final = """
INSERT INTO audit_passed_over (source, number, type, seen_at)
SELECT *, $4 FROM unnest($1::text[], $2::bigint[], $3::text[])
ON CONFLICT DO NOTHING
"""


class PostgresLog:
    """The append side, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease, keys: SubjectKeys | None = None) -> None:
        """`keys`: those of personal values; a log without them takes only facts that have none."""
        self._keys = keys
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresLogTransaction"]:
        """Open a fenced transaction; raises LeadershipLostError when another process leads."""
        async with self._outbox.transaction(self._pool) as transaction:
            await self._lease.fence(transaction.connection)
            yield PostgresLogTransaction(transaction, self._keys)


class PostgresLogTransaction:
    """One transaction of the sequencer."""

    def __init__(self, transaction: OutboxTransaction, keys: SubjectKeys | None = None) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self.tree = PostgresTreeRows(transaction)
        self._keys = keys

    @property
    def keys(self) -> PostgresPersonalKeys:
        """Keys of personal values. Raises RuntimeError where the log was opened without them."""
        if self._keys is None:
            raise RuntimeError("the log was opened without the keys of personal values")
        return PostgresPersonalKeys(self._connection, self._keys)

    async def hold_head(self) -> Head:
        """Hold the head row (another sequencer waits), and see that the month of recording has its partition.

        Raises DamagedLogError when there is no such row, or its time is none.
        """
        row = await self._connection.fetchrow(_HOLD_HEAD)
        if row is None:
            raise DamagedLogError("the head row of the audit log is missing, or its time is infinite")
        return Head(row["next_position"], row["recorded_at"])

    async def see_clear(self, head: Head) -> None:
        """See that nothing stands where the next entries go. Raises DamagedLogError."""
        found = await obstacles(self._connection, head.next_position)
        if found is not None:
            raise DamagedLogError(found)

    async def recorded_under(self, facts: Sequence[Fact]) -> Sequence[Recorded]:
        """Return what is recorded under any number or event id of these facts."""
        rows = await self._connection.fetch(
            _RECORDED_UNDER,
            [fact.source for fact in facts],
            [fact.number for fact in facts],
            [fact.event_id for fact in facts if fact.event_id is not None],
        )
        return [_recorded(row) for row in rows]

    async def append(self, entries: Sequence[NewEntry], *, known_already: bool = False) -> None:
        """Write entries, in order of position, and move the head past the last of them.

        `known_already`: their number or event id may stand in audit_recorded, for another entry.
        """
        execute = self._connection.execute
        await execute(
            _ADD_RECORDED + (_UNLESS_THERE if known_already else ""), *zip(*map(_recorded_row, entries), strict=True)
        )
        await execute(_ADD_ENTRIES, *zip(*map(_entry_row, entries), strict=True))
        bodies = [
            (entry.position, entry.recorded_at, entry.written.beside)
            for entry in entries
            if entry.written.beside is not None
        ]
        if bodies:
            await execute(_ADD_BODIES, *zip(*bodies, strict=True))
        clients = [
            (entry.client.digest, entry.position, entry.client.key_reference)
            for entry in entries
            if entry.client is not None
        ]
        if clients:
            await execute(_ADD_CLIENTS, *zip(*clients, strict=True))
        last = entries[-1]
        await execute(_MOVE_HEAD, last.position + 1, last.recorded_at)

    async def unproven(self, position: int, limit: int) -> Sequence[Unproven]:
        """Return entries from before there was a tree, from a position on, in order."""
        return await unproven_from(self._connection, position, limit)

    async def make_partitions(self, moments: Collection[datetime]) -> None:
        """See that there are partitions for entries recorded at these moments."""
        for moment in {(moment.year, moment.month): moment for moment in moments}.values():
            await self._connection.execute(_MAKE_PARTITION, moment)

    async def pass_over(self, facts: Sequence[PassedOver], seen_at: datetime) -> None:
        """Note the numbers of facts that are no entries; those noted before stay as they are."""
        await self._connection.execute(
            _NOTE_NUMBERS, [f.source for f in facts], [f.number for f in facts], [f.type for f in facts], seen_at
        )

    async def keep_contradictions(
        self, contradictions: Sequence[tuple[Contradiction, Evidence]], found_at: datetime
    ) -> Sequence[Contradiction]:
        """Keep the evidence; return those that were not known before."""
        return await keep_contradictions(self._connection, contradictions, found_at)

    def report(self, contradiction: Contradiction) -> None:
        """Tell `audit.integrity.violated.v1` through the outbox of this transaction, in the trace of the fact."""
        report(self._transaction, contradiction)


def _recorded(row: Record) -> Recorded:
    references = row["digest_key_reference"]
    digest = FactDigest(row["fact_digest"], tuple(references.split(REFERENCES_APART)) if references else ())
    return Recorded(row["source"], row["number"], row["position"], row["event_id"], digest)


def _recorded_row(entry: NewEntry) -> tuple[object, ...]:
    fact, digest = entry.fact, entry.digest
    references = REFERENCES_APART.join(digest.key_references) or None
    return (fact.source, fact.number, entry.position, fact.event_id, digest.value, references)


def _entry_row(entry: NewEntry) -> tuple[object, ...]:
    fact = entry.fact
    return (
        entry.position,
        entry.recorded_at,
        entry.epoch,
        entry.written.leaf,
        entry.leaf_hash,
        fact.event_id,
        fact.source,
        fact.number,
        fact.type,
        fact.occurred_at,
        fact.actor,
        fact.subject,
        fact.correlation_id,
        entry.result,
        fact.traceparent,
        fact.origin.stream,
        fact.origin.sequence,
    )
