"""The plan of every hot query, taken from the adapters as they send it.

`python -m loadtests.plans [--reservations 1000000]` fills a database of its own and writes one text a query into
`docs/plans/`. Each is explained twice: with the plan made for its values, and with the plan for any values, which a
prepared statement may get after a few executions. `tests/booking/adapters/postgres/test_plans.py` asks for the same on
a smaller database and refuses a sequential scan of a table that grows.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
from loadtests.bench.servers import Servers, running_servers
from loadtests.crowd import Crowd, fill

from yoyaku.booking.adapters.postgres.answers import PostgresAnswers, expire_answers
from yoyaku.booking.adapters.postgres.reservations import PostgresReservations
from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Reservation, ReservationStatus
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.booking.usecases.ports.reservations import Listing
from yoyaku.booking.usecases.ports.rooms import RoomFilter
from yoyaku.booking.usecases.ports.transactions import Fact
from yoyaku.contracts.booking_v1 import ReservationConfirmed
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Connection, Pool

FOLDER = Path("docs/plans")
GROWS = frozenset(
    {"reservation", "reservation_change", "person", "idempotency_key", "imported_booking", "session", "refresh_token"}
)
"""Tables that grow with use; the outbox's partitions (`outbox_event_...`) too. Rooms and closures are few."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement with its plans."""

    name: str
    statement: str
    lines: list[str]
    """EXPLAIN (ANALYZE, BUFFERS) for the values."""
    custom: dict[str, Any]
    generic: dict[str, Any]
    milliseconds: float

    @property
    def sequential_scans(self) -> set[str]:
        """The tables that either plan reads from end to end."""
        return {*_scanned(self.custom), *_scanned(self.generic)}


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _scanned(child)


@dataclass
class Explaining:
    """A connection that explains each statement before it runs it."""

    connection: Connection
    name: str = ""
    plans: list[Plan] = field(default_factory=list)

    async def _explain(self, statement: str, arguments: Sequence[Any]) -> None:
        if not re.match(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)", statement):
            return
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            rows = await self.connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *arguments)
        finally:
            await transaction.rollback()
        lines = [str(row[0]) for row in rows]
        told = await self.connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
        generic = await self.connection.fetchval(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}", *arguments)
        took = next((float(line.split()[2]) for line in lines if line.startswith("Execution Time")), 0.0)
        self.plans.append(
            Plan(self.name, statement, lines, json.loads(told)[0]["Plan"], json.loads(generic)[0]["Plan"], took)
        )

    async def fetch(self, statement: str, *arguments: Any, **more: Any) -> Any:
        await self._explain(statement, arguments)
        return await self.connection.fetch(statement, *arguments, **more)

    async def fetchrow(self, statement: str, *arguments: Any, **more: Any) -> Any:
        await self._explain(statement, arguments)
        return await self.connection.fetchrow(statement, *arguments, **more)

    async def fetchval(self, statement: str, *arguments: Any, **more: Any) -> Any:
        await self._explain(statement, arguments)
        return await self.connection.fetchval(statement, *arguments, **more)

    async def execute(self, statement: str, *arguments: Any, **more: Any) -> Any:
        await self._explain(statement, arguments)
        return await self.connection.execute(statement, *arguments, **more)

    def transaction(self, **options: Any) -> Any:
        return self.connection.transaction(**options)

    @asynccontextmanager
    async def acquire(self, **_: Any) -> AsyncIterator["Explaining"]:
        """Stand for a pool of this one connection."""
        yield self


@dataclass(frozen=True, slots=True)
class Sample:
    """Somebody and something in the middle of the crowd."""

    reservation_id: UUID
    person_id: UUID
    user_id: str
    room_id: int
    site: str
    starts_at: datetime

    @property
    def day(self) -> date:
        """The day of that reservation."""
        return self.starts_at.date()

    @property
    def window(self) -> Interval:
        """The same, from midnight to midnight."""
        midnight = self.starts_at.replace(hour=0, minute=0)
        return Interval(midnight, midnight + timedelta(days=1))


async def sample_of(connection: Connection, crowd: Crowd) -> Sample:
    """Pick one."""
    row = await connection.fetchrow(
        """SELECT v.id, v.person_id, p.user_id, v.room_id, m.site, v.starts_at
           FROM reservation v JOIN person p ON p.id = v.person_id JOIN room m ON m.id = v.room_id
           WHERE v.starts_at >= $1 AND v.status = 'confirmed' ORDER BY v.starts_at, v.id LIMIT 1""",
        crowd.middle,
    )
    assert row is not None
    return Sample(
        UUID(str(row["id"])), UUID(str(row["person_id"])), row["user_id"], row["room_id"], row["site"], row["starts_at"]
    )


async def explain_all(connection: Connection, sample: Sample) -> list[Plan]:
    """Ask everything hot once, as the adapters ask it."""
    explaining = Explaining(connection)
    for name, ask in questions(explaining, sample).items():
        explaining.name = name
        transaction = connection.transaction()
        await transaction.start()
        try:
            await ask()
        finally:
            await transaction.rollback()
    return explaining.plans


def questions(explaining: Explaining, sample: Sample) -> dict[str, Callable[[], Awaitable[object]]]:
    """Name what is asked on the paths of requests and of the worker."""
    reads = PostgresReads(cast("Pool", explaining))
    connection = cast("Connection", explaining)
    outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: datetime.now(UTC))
    transactions = PostgresTransactions(cast("Pool", explaining), outbox, keep_answers_for=timedelta(hours=24))
    reservations = PostgresReservations(connection)
    answers = PostgresAnswers(connection, keep_for=timedelta(hours=24))
    wanted = reservation_of(sample)
    free = RoomFilter(free=Interval(sample.starts_at, sample.starts_at + timedelta(hours=1)))
    answer = StoredAnswer(201, b"{}")
    now = datetime.now(UTC)
    return {
        "place": lambda: transactions.place(wanted, wanted.interval, 1, fact_of(wanted)),
        "place-with-key": lambda: reservations.place(wanted, wanted.interval, 1, placed_from="192.0.2.1"),
        "key-claim": lambda: answers.claim(sample.person_id, "key", b"f", now),
        "key-keep": lambda: answers.keep(sample.person_id, "key", b"f", answer, now),
        "key-expire": lambda: expire_answers(connection, now, limit=1000),
        "reservation": lambda: reads.reservation(sample.reservation_id),
        "reservation-for-change": lambda: reservations.find_for_change(sample.reservation_id),
        "history": lambda: reads.record(sample.reservation_id, after=0, limit=50),
        "own-list": lambda: listed(reads, Listing(person_id=sample.person_id)),
        "own-list-mark": lambda: reads.own_mark(sample.person_id, limit=51),
        "own-list-from-now": lambda: listed(reads, Listing(person_id=sample.person_id, since=sample.starts_at)),
        "day": lambda: listed(reads, Listing(day=sample.day)),
        "day-of-room": lambda: listed(reads, Listing(day=sample.day, room_id=sample.room_id)),
        "day-of-site": lambda: listed(reads, Listing(day=sample.day, site=sample.site)),
        "days-of-room": lambda: listed(
            reads, Listing(since=sample.window.starts_at, until=sample.window.ends_at, room_id=sample.room_id)
        ),
        "availability": lambda: reads.busy_of([sample.room_id], sample.window),
        "availability-mark": lambda: reads.calendar_mark(sample.room_id, sample.window),
        "room": lambda: reads.room(sample.room_id),
        "rooms": lambda: reads.rooms(RoomFilter(), after=0, limit=50),
        "rooms-free": lambda: reads.rooms(free, after=0, limit=50),
        "room-live-after": lambda: reservations.live_after(sample.room_id, sample.starts_at),
        "room-live-in-closure": lambda: reservations.lock_live(sample.room_id, sample.window),
        "credentials": lambda: reads.credentials(sample.user_id),
    }


def listed(reads: PostgresReads, wanted: Listing) -> Awaitable[object]:
    """Ask for the first page of a list."""
    return reads.reservations(wanted, after=None, limit=50)


def reservation_of(sample: Sample) -> Reservation:
    """Return a reservation to be placed in the evening of the day, when the room is free."""
    starts_at = sample.starts_at.replace(hour=20, minute=0)
    interval = Interval(starts_at, starts_at + timedelta(hours=1))
    return Reservation(
        uuid4(), sample.room_id, sample.person_id, interval, "Weekly review", ReservationStatus.CONFIRMED, 1, starts_at
    )


def fact_of(reservation: Reservation) -> Fact:
    """Return what is emitted when it is placed."""
    event = ReservationConfirmed(
        reservation_id=str(reservation.id),
        room_id=reservation.room_id,
        person_id=str(reservation.person_id),
        starts_at=reservation.interval.starts_at,
        ends_at=reservation.interval.ends_at,
    )
    return Fact(event, f"reservation/{reservation.id}", f"person/{reservation.person_id}", "192.0.2.1")


def document(name: str, plans: Sequence[Plan], crowd: Crowd) -> str:
    """Write the plans of one question as text."""
    parts = [f"{name}: {crowd.reservations:,} reservations in {crowd.rooms:,} rooms, {crowd.people:,} people"]
    for plan in plans:
        parts += ["", plan.statement.strip(), "", *plan.lines]
    return "\n".join(parts) + "\n"


async def explained(servers: Servers, crowd: Crowd) -> list[Plan]:
    """Fill a database and explain everything, the second time that it is asked."""
    database = await servers.databases.create("yoyaku.booking")
    await fill(database.admin, crowd)
    connection = await asyncpg.connect(**database.service.connect_arguments("plans"))
    try:
        sample = await sample_of(connection, crowd)
        await explain_all(connection, sample)
        return await explain_all(connection, sample)
    finally:
        await connection.close()


def write(plans: Sequence[Plan], crowd: Crowd, folder: Path) -> None:
    """Write the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (path for path in folder.glob("*.txt") if not path.name.startswith("audit-")):
        old.unlink()
    for name in dict.fromkeys(plan.name for plan in plans):
        (folder / f"{name}.txt").write_text(document(name, [plan for plan in plans if plan.name == name], crowd))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the plans; 1 when one reads a table that grows from end to end."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.plans", description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    parser.add_argument("--rooms", type=int, default=1_000)
    chosen = parser.parse_args(arguments)
    crowd = Crowd(rooms=chosen.rooms, reservations=chosen.reservations)
    with running_servers() as servers:
        plans = asyncio.run(explained(servers, crowd))
    write(plans, crowd, FOLDER)
    bad = 0
    for plan in plans:
        scans = grown(plan.sequential_scans)
        bad += bool(scans)
        told = f"reads from end to end: {', '.join(scans)}" if scans else ""
        sys.stdout.write(f"{plan.name:24} {plan.milliseconds:9.2f} ms  {told}\n")
    return 1 if bad else 0


def grown(tables: set[str]) -> list[str]:
    """Return the tables among these that grow with use."""
    return sorted(table for table in tables if table in GROWS or table.startswith("outbox_event"))


if __name__ == "__main__":
    sys.exit(main())
