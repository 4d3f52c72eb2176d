"""What is lost on the way is found, asked for again and named: audit log and booking's worker as real processes.

One story on one system, since its processes take longer to start than all that is tested.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusReply, AuditLogStatusRequest
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox, shard_of, source_of
from yoyaku.messaging.rpc import request
from yoyaku.messaging.topology import OPERATOR, PROVISIONER
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.replicas import Replica, environment_of, replicas

pytestmark = pytest.mark.requirement("AU-04", "EV-03")

BOOKING = "yoyaku.booking"
ROOM = "room/1"
SOURCE = source_of("booking", shard_of(ROOM))
QUICK = {
    "COMPLETENESS_EVERY_SECONDS": "0.3",
    "COMPLETENESS_GRACE_SECONDS": "0.5",
    "COMPLETENESS_STATEMENT_SECONDS": "0.3",
}
Eventually = Callable[..., Awaitable[None]]


@dataclass
class Booking:
    """A producer: its database, its worker, and transactions that emit events of one room."""

    database: Database
    start: Callable[..., Replica]
    worker: Replica | None = None
    copy: str | None = None

    async def begin(self, eventually: Eventually, **settings: str) -> None:
        self.worker = self.start("worker", **settings)
        await eventually(self.worker.is_ready)

    async def end(self) -> None:
        assert self.worker is not None
        self.worker.send(signal.SIGTERM)
        assert await asyncio.to_thread(self.worker.process.wait, 20) == 0

    async def emit(self, *correlation_ids: str, database: str | None = None) -> None:
        """Commit one event each, in one transaction."""
        settings = self.database.service
        settings = settings.model_copy(update={"database": database or settings.database, "pool_min": 1, "pool_max": 1})
        outbox = Outbox(service="booking", new_id=new_event_id, now=lambda: datetime.now(UTC))
        async with (
            connected_pool(settings, application_name="emitter") as pool,
            outbox.transaction(pool) as transaction,
        ):
            for correlation_id in correlation_ids:
                event = RoomCreated(room_id=1, site="Kyoto", capacity=4, time_zone="Asia/Tokyo")
                transaction.emit(event, subject=ROOM, actor="operator", correlation_id=correlation_id)

    async def copied(self) -> str:
        """Copy the database as it is, and return the copy's name; nobody may be connected."""
        name = f"{self.database.name}_older"
        async with self.as_superuser("postgres") as superuser:
            await superuser.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.database.name}"')
        self.copy = name
        return name

    @asynccontextmanager
    async def as_superuser(self, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        settings = self.database.admin.model_copy(update={"database": database or self.database.name})
        connection = await asyncpg.connect(**settings.connect_arguments("test"))
        try:
            yield connection
        finally:
            await connection.close()


@pytest_asyncio.fixture
async def booking(database: Callable[..., Awaitable[Database]], bus: Bus, tmp_path: Path) -> AsyncIterator[Booking]:
    made = await database(BOOKING)
    with replicas(BOOKING, environment_of(BOOKING, made.service, bus, tmp_path), tmp_path) as start:
        booking = Booking(made, start)
        yield booking
    if booking.copy is not None:
        async with booking.as_superuser("postgres") as superuser:
            await superuser.execute(f'DROP DATABASE "{booking.copy}" WITH (FORCE)')


@pytest.fixture
def facts(pool: Pool, entries_of: Callable[[Pool], Awaitable[list[Any]]]) -> Callable[[str], Awaitable[list[Any]]]:
    """`await facts("audit.gap.found.v1")` are the bodies of these entries, in order of position."""

    async def read(kind: str) -> list[Any]:
        return [json.loads(one["body"]) for one in await entries_of(pool) if one["type"] == kind]

    return read


def numbers_of(gaps: list[Any], key: str) -> set[tuple[int, int, str]]:
    assert {gap["source"] for gap in gaps} <= {SOURCE}
    return {(gap["first_number"], gap["last_number"], gap[key]) for gap in gaps}


async def status_of(bus: Bus) -> AuditLogStatusReply:
    broker = make_broker(bus.settings_for(OPERATOR), service=OPERATOR)
    await start_broker(broker)
    try:
        return await request(broker, RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
    finally:
        await broker.stop()


async def delete_messages(bus: Bus, js: JetStreamContext, numbers: set[int]) -> None:
    """Delete events of the source out of the stream, as whoever administers it can."""
    client = await bus.connect(PROVISIONER)
    for sequence in range(1, (await js.stream_info("BOOKING")).state.last_seq + 1):
        message = await js.get_msg("BOOKING", sequence)
        if int((message.headers or {})["ce-sequence"]) in numbers:
            await client.jetstream().delete_msg("BOOKING", sequence)
    await client.close()


async def test_what_is_lost_on_the_way_is_found_asked_for_again_and_named(
    booking: Booking,
    bus: Bus,
    js: JetStreamContext,
    pool: Pool,
    start_replica: Callable[..., Any],
    eventually: Eventually,
    facts: Callable[[str], Awaitable[list[Any]]],
) -> None:
    async def stream_holds(count: int) -> bool:
        return (await js.stream_info("BOOKING")).state.messages >= count

    async def recorded() -> set[int]:
        return {row[0] for row in await pool.fetch("SELECT number FROM audit_recorded WHERE source = $1", SOURCE)}

    async def complete_to(number: int) -> bool:
        stated = await facts("audit.completeness.stated.v1")
        return bool([one for one in stated if one["complete_to"].get(SOURCE) == number])

    # Six events are published. Before anybody reads them three vanish from the stream, one of them the last; one of
    # these vanishes from the outbox, too. The producer's database was copied after the first event.
    await booking.emit("c-1")
    older = await booking.copied()
    await booking.begin(eventually)
    await booking.emit(*(f"c-{number}" for number in range(2, 7)))
    await eventually(lambda: stream_holds(6))
    await delete_messages(bus, js, {1, 4, 6})
    async with booking.as_superuser() as superuser:
        await superuser.execute("DELETE FROM outbox_event WHERE number = 1")
    start_replica(**QUICK)

    async def all_but_the_lost_one() -> bool:
        return await recorded() == {2, 3, 4, 5, 6} and len(await facts("audit.gap.closed.v1")) == 2

    await eventually(all_but_the_lost_one)
    await eventually(lambda: complete_to(6))
    assert numbers_of(await facts("audit.gap.found.v1"), "reason") == {
        (1, 1, "missing"), (4, 4, "missing"), (6, 6, "unsent"), (1, 1, "lost_at_source"),
    }  # fmt: skip
    assert numbers_of(await facts("audit.gap.closed.v1"), "resolution") == {(4, 4, "arrived"), (6, 6, "arrived")}
    assert {SOURCE: 1} in [one["lost"] for one in await facts("audit.completeness.stated.v1")]

    status = await status_of(bus)
    assert (status.epoch, status.next_position > 5, len(status.verifier_keys)) == (1, True, 1)
    part = status.parts["completeness"]
    [source] = [one for one in part["sources"] if one["source"] == SOURCE]
    assert (source["complete_to"], source["highest"], source["lost"], part["open_gaps"]) == (6, 6, 1, 1)
    assert part["gaps"][0]["reason"] == "lost_at_source"

    # A stream that takes no large message stores 8 and refuses the larger 7 before it (decision 0021): no gap.
    stream = await js.stream_info("BOOKING")
    config, usual_bytes = stream.config, stream.state.bytes // stream.state.messages
    await js.update_stream(config.evolve(max_msg_size=usual_bytes + 100))
    await booking.emit("x" * 400, "c-8")

    async def has_8_alone() -> bool:
        return await recorded() >= {8} and not await recorded() >= {7}

    await eventually(has_8_alone)
    looked_at = await pool.fetchval("SELECT looked_at FROM audit_completeness")

    async def looked_long_enough() -> bool:
        seconds = (await pool.fetchval("SELECT looked_at FROM audit_completeness") - looked_at).total_seconds()
        return bool(seconds > 1.5)

    await eventually(looked_long_enough)
    await js.update_stream(config)
    await eventually(lambda: complete_to(8))
    assert len(await facts("audit.gap.found.v1")) == 4

    # The producer's database is put back to the older state, and goes on from there.
    await booking.end()
    await booking.begin(eventually, DATABASE__DATABASE=older)

    async def told() -> bool:
        return (2, 8, "source_went_back") in numbers_of(await facts("audit.gap.found.v1"), "reason")

    await eventually(told)
    await booking.emit(*(f"other-{number}" for number in range(2, 10)), database=older)
    await eventually(lambda: complete_to(9))
    assert (2, 8, "caught_up") in numbers_of(await facts("audit.gap.closed.v1"), "resolution")
    violations = await facts("audit.integrity.violated.v1")
    assert {(one["kind"], one["number"]) for one in violations} == {("number_reused", n) for n in range(2, 9)}
    assert await recorded() == set(range(2, 10))

    # Nobody does anything any more, and soon nothing is recorded any more.
    async def is_silent() -> bool:
        before = await pool.fetchval("SELECT count(*) FROM audit_entry")
        await asyncio.sleep(1.2)
        return bool(before == await pool.fetchval("SELECT count(*) FROM audit_entry"))

    await eventually(is_silent)
