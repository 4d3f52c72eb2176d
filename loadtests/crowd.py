"""A large database of bookings in seconds: rooms, people and reservations, as years would leave them.

Each room has eight reservations of an hour a day, one in ten cancelled, from `FIRST_DAY` on. Rows are made by the
server; the exclusion constraint and the indexes are taken off meanwhile, and putting them back checks all rows.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from yoyaku.postgres.settings import PostgresSettings

FIRST_DAY = datetime(2030, 1, 1, tzinfo=UTC)
A_DAY = 8
CANCELLED_ONE_IN = 10
HISTORY_ONE_IN = 20
"""One reservation in so many has a line of history, and one a kept answer."""

_PEOPLE = """
INSERT INTO person (id, user_id, display_name, role, password_hash, created_at)
SELECT uuidv7(), 'crowd-' || n, 'Person ' || n, 'USER', 'none', now() FROM generate_series(1, $1::int) AS n
"""
_ROOMS = """
INSERT INTO room (name, site, capacity, time_zone, created_at)
SELECT 'Crowd ' || n, 'Site ' || n % 20, 2 + n % 30, 'Asia/Tokyo', now() FROM generate_series(1, $1::int) AS n
"""
_RESERVATIONS = """
INSERT INTO reservation (id, room_id, person_id, starts_at, ends_at, occupied, title, status, version, created_at,
                         placed_from, cancelled_at, cancelled_by, cancel_reason)
SELECT uuidv7(), r.id, p.id, s.starts_at, s.starts_at + interval '1 hour',
       tstzrange(s.starts_at, s.starts_at + interval '1 hour'), 'Weekly review',
       CASE WHEN s.gone THEN 'cancelled' ELSE 'confirmed' END, CASE WHEN s.gone THEN 2 ELSE 1 END, now(), '192.0.2.1',
       CASE WHEN s.gone THEN now() END, CASE WHEN s.gone THEN p.id END, CASE WHEN s.gone THEN 'postponed' END
FROM (SELECT n, $1::timestamptz + (n / $5) * interval '1 day' + (n % $5) * interval '1 hour' AS starts_at,
             n % $6 = 0 AS gone
      FROM generate_series(0, $2::int / $4::int - 1) AS n) AS s
CROSS JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM room WHERE name LIKE 'Crowd %') AS r
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM person WHERE user_id LIKE 'crowd-%') AS p
  ON p.place = (s.n * 7919 + r.place * 104729) % $3::int
"""
_HISTORY = """
INSERT INTO reservation_change (reservation_id, version, changed_at, changed_by, action, changes)
SELECT id, 2, now(), person_id, 'reschedule', '{"title": {"from": "a", "to": "b"}}'
FROM (SELECT id, person_id, row_number() OVER () AS n FROM reservation) AS v WHERE n % $1::int = 0
"""
_KEYS = """
INSERT INTO idempotency_key (person_id, key, fingerprint, status, body, created_at, expires_at)
SELECT person_id, id::text, 'f', 201, '{}', now(), now() + interval '1 day'
FROM (SELECT id, person_id, row_number() OVER () AS n FROM reservation) AS v WHERE n % $1::int = 0
"""
_CONSTRAINT = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'reservation_no_overlap'"
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE indrelid = 'reservation'::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How large."""

    rooms: int = 1_000
    people: int = 10_000
    reservations: int = 1_000_000

    @property
    def days(self) -> int:
        """How many days the reservations fill."""
        return self.reservations // self.rooms // A_DAY

    @property
    def middle(self) -> datetime:
        """The start of a day in the middle of them."""
        return FIRST_DAY + timedelta(days=self.days // 2)


async def fill(admin: PostgresSettings, crowd: Crowd) -> None:
    """Fill a database and gather its statistics. `admin`: a superuser of that database."""
    connection = await asyncpg.connect(**admin.connect_arguments("crowd"))
    try:
        await connection.execute(
            "SET statement_timeout = 0; SET transaction_timeout = 0; SET session_replication_role = replica"
        )
        constraint = await connection.fetchval(_CONSTRAINT)
        indexes = await connection.fetch(_INDEXES)
        await connection.execute("ALTER TABLE reservation DROP CONSTRAINT reservation_no_overlap")
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(_PEOPLE, crowd.people)
        await connection.execute(_ROOMS, crowd.rooms)
        await connection.execute(
            _RESERVATIONS, FIRST_DAY, crowd.reservations, crowd.people, crowd.rooms, A_DAY, CANCELLED_ONE_IN
        )
        await connection.execute(_HISTORY, HISTORY_ONE_IN)
        await connection.execute(_KEYS, HISTORY_ONE_IN)
        await connection.execute(f"ALTER TABLE reservation ADD CONSTRAINT reservation_no_overlap {constraint}")
        for index in indexes:
            await connection.execute(index["definition"])
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
