"""Fills an audit log's tables with entries as a busy house leaves them, straight in SQL.

Ten thousand people, their reservations, sign-ins and reads, thirty days; a few do much, most do little; facts are
recorded a moment after they happen, some of them minutes late. Personal fields stand in clear, since opening them is
another measurement's subject.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

_FILL = """
INSERT INTO audit_entry (position, recorded_at, epoch, leaf, leaf_hash, event_id, source, number, type, occurred_at,
                         actor, subject, correlation_id, result, stream, stream_sequence)
SELECT position, recorded_at, 1, leaf, sha256('\\x00'::bytea || leaf), event_id, source, number, type, occurred_at,
       actor, subject, correlation_id, result, 'BOOKING', position + 1
  FROM (
    SELECT f.*, convert_to(json_build_object(
               'actor', actor, 'body', json_build_object('room_id', position % 1000, 'reservation_id', subject,
                   'starts_at', to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'version', 1),
               'client_address', address, 'correlation_id', correlation_id, 'dataschema', 'urn:yoyaku:' || type,
               'event_id', event_id, 'number', number,
               'occurred_at', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'position', position,
               'recorded_at', to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'source', source, 'subject', subject, 'type', type, 'v', 1)::text, 'UTF8') AS leaf
      FROM (
        SELECT p AS position,
               $3::timestamptz + p * $4::interval AS recorded_at,
               $3::timestamptz + p * $4::interval
                   - CASE WHEN p % 997 = 0 THEN interval '7 minutes' ELSE interval '20 milliseconds' END AS occurred_at,
               'event-' || p AS event_id,
               '/booking/' || lpad((p % 64)::text, 2, '0') AS source,
               p / 64 AS number,
               (ARRAY['booking.reservation.confirmed.v1', 'booking.reservation.confirmed.v1',
                      'booking.reservation.cancelled.v1', 'booking.reservation.rescheduled.v1',
                      'identity.login.succeeded.v1', 'identity.login.succeeded.v1', 'identity.login.failed.v1',
                      'identity.session.ended.v1', 'audit.log.read.v1', 'audit.log.read.v1'])[1 + (h % 10)] AS type,
               CASE WHEN h % 10 = 6 THEN 'refused' ELSE 'succeeded' END AS result,
               'person/' || CASE WHEN h % 4 = 0 THEN (h / 4) % 5 ELSE (h / 4) % 10000 END AS actor,
               'reservation/' || (p / 3 * 7919) % 300000 AS subject,
               'story-' || p / 3 AS correlation_id,
               '10.' || (h / 16) % 4 || '.' || (h / 64) % 8 || '.' || (h / 512) % 150 AS address
          FROM generate_series($1::bigint, $2::bigint - 1) AS p, LATERAL (SELECT abs(hashint8(p)::bigint) AS h) hashed
      ) f
  ) filled
"""
_KNOWN = """
INSERT INTO audit_recorded (source, number, position, event_id, fact_digest)
SELECT source, number, position, event_id, leaf_hash FROM audit_entry WHERE position >= $1 AND position < $2
"""
_CLIENTS = """
INSERT INTO audit_client (digest, position, key_reference)
SELECT substring(sha256(convert_to(convert_from(leaf, 'UTF8')::jsonb ->> 'client_address', 'UTF8')) FROM 1 FOR 16),
       position, 'client/1'
  FROM audit_entry WHERE position >= $1 AND position < $2
"""
CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Entries:
    """How many, and from when on."""

    count: int = 1_000_000
    begin: datetime = datetime(2026, 10, 25, tzinfo=UTC)
    days: int = 30

    @property
    def apart(self) -> timedelta:
        """The time between two entries."""
        return timedelta(days=self.days) / self.count

    def recorded_at(self, position: int) -> datetime:
        """When an entry was recorded."""
        return self.begin + position * self.apart


async def fill_entries(owner: Any, wanted: Entries) -> None:
    """Fill the tables of a fresh audit log, about 20,000 entries a second. `owner`: settings of its owner role."""
    connection = await asyncpg.connect(**owner.connect_arguments("fill"))
    try:
        for day in range(wanted.days + 1):
            await connection.execute("SELECT audit_make_partition($1)", wanted.begin + timedelta(days=day))
        origin = "audit.yoyaku/bench/1"
        await connection.execute("INSERT INTO audit_epoch VALUES (1, $1, 0, $2)", origin, wanted.begin)
        for begin in range(0, wanted.count, CHUNK):
            end = min(begin + CHUNK, wanted.count)
            await connection.execute(_FILL, begin, end, wanted.begin, wanted.apart)
            await connection.execute(_KNOWN, begin, end)
            await connection.execute(_CLIENTS, begin, end)
        await connection.execute(
            "UPDATE audit_head SET next_position = $1, last_recorded_at = $2",
            wanted.count,
            wanted.recorded_at(wanted.count),
        )
        await connection.execute("VACUUM (ANALYZE) audit_entry, audit_recorded, audit_client")
    finally:
        await connection.close()
