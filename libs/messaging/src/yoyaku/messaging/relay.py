"""The publishing half of the transactional outbox (EV-03): rows become messages, in the order of their numbers.

Invariants: a shard's cursor stands at a number only when the stream has acknowledged it and all before it; a shard is
published by one relay at a time, because a claim is a lock on its cursor row that dies with the claim's transaction.
A crash between acknowledgement and commit publishes the same event ids again, which the stream recognises within its
duplicate window; consumers keep an inbox for the rest.

Neighbours: `outbox` writes the rows, `relay_round` decides, `publishing` talks to the stream, `outbox_partitions`
drops what is old.
"""

import asyncio
from contextlib import suppress
from typing import Final

import nats.errors
from loguru import logger
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from yoyaku.contracts.subjects import wake_subject
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.outbox import SHARDS
from yoyaku.messaging.outbox_gauges import keep_gauges
from yoyaku.messaging.outbox_partitions import keep_partitions
from yoyaku.messaging.publishing import ACK_TIMEOUT_SECONDS, PipelinedPublisher, connection_of
from yoyaku.messaging.relay_pauses import ShardPauses
from yoyaku.messaging.relay_round import prepare_round
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

POLL_SECONDS: Final = 0.5
EVENTS_A_ROUND: Final = 1000
SHARDS_A_CLAIM: Final = SHARDS // 2
"""Half, so that two loops overlap: one waits for acknowledgements while the other reads rows."""

BUSY_EVENTS: Final = 100
"""A round that sent as many makes the second loop help."""

CLAIM_SECONDS: Final = 15.0
"""A relay that was stopped (SIGSTOP, frozen machine) loses its claims after this; well above the ack timeout."""

_GUARD: Final = "SELECT set_config('idle_in_transaction_session_timeout', $1, true)"

_PENDING: Final = """
SELECT EXISTS (SELECT FROM outbox_shard AS s JOIN outbox_cursor AS c ON c.shard = s.shard
               WHERE s.last_number > c.published_number AND c.shard <> ALL ($1::smallint[]))
"""

# $1: the shard to begin with, $2: shards that rest, $3: shards a claim, $4: events a round, shared by the shards.
_CLAIM: Final = """
WITH claimed AS MATERIALIZED (
    SELECT c.shard, c.published_number, c.published_day, s.last_day
    FROM outbox_shard AS s JOIN outbox_cursor AS c ON c.shard = s.shard
    WHERE s.last_number > c.published_number AND c.shard <> ALL ($2::smallint[])
    ORDER BY (c.shard + 64 - $1::int) % 64
    LIMIT $3
    FOR NO KEY UPDATE OF c SKIP LOCKED
)
SELECT e.shard, e.number, e.day, e.type, e.headers::text AS headers, e.body, e.traceparent, c.published_number
FROM claimed AS c
CROSS JOIN LATERAL (
    SELECT * FROM outbox_event AS e
    WHERE e.shard = c.shard AND e.number > c.published_number AND e.day BETWEEN c.published_day AND c.last_day
    ORDER BY e.number
    LIMIT (SELECT greatest(1, $4::int / greatest(1, count(*))) FROM claimed)
) AS e
ORDER BY e.shard, e.number
"""

_ADVANCE: Final = """
UPDATE outbox_cursor AS c SET published_number = a.number, published_day = a.day
FROM unnest($1::smallint[], $2::bigint[], $3::date[]) AS a (shard, number, day)
WHERE c.shard = a.shard AND c.published_number < a.number
"""


class Relay:
    """Publishes what one service's transactions committed. Any number may run at once, in any processes."""

    def __init__(
        self,
        pool: Pool,
        broker: ServiceBroker,
        *,
        service: str,
        ack_timeout_seconds: float = ACK_TIMEOUT_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        claim_seconds: float = CLAIM_SECONDS,
    ) -> None:
        if claim_seconds <= ack_timeout_seconds:
            raise ValueError("claim_seconds must be above ack_timeout_seconds, or the server ends healthy rounds")
        self._pool = pool
        self._broker = broker
        self._service = service
        self._ack_timeout_seconds = ack_timeout_seconds
        self._poll_seconds = poll_seconds
        self._claim_limit = f"{round(claim_seconds * 1000)}ms"
        self._woken = asyncio.Event()
        self._busy = asyncio.Event()
        self._pauses = ShardPauses()
        self._database = Condition(
            away="outbox relay waits for the database", back="outbox relay has the database back"
        )
        self._bus: tuple[Client, PipelinedPublisher, Subscription] | None = None
        self._opening = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`, then finish the round under way and return.

        NATS or the database being away is waited out, with one warning each; nothing is lost meanwhile. Any other
        error is raised: it is a defect, and the process had better restart than go on silently.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(stop))
                group.create_task(self._first_loop(stop))
                group.create_task(self._second_loop(stop))
                group.create_task(keep_partitions(self._pool, stop))
                group.create_task(keep_gauges(self._pool, stop))
        finally:
            await self._close_bus()

    async def _pass_on(self, stop: asyncio.Event) -> None:
        """Let the stop end every wait."""
        await stop.wait()
        self._woken.set()
        self._busy.set()

    async def _first_loop(self, stop: asyncio.Event) -> None:
        """Publish whatever there is; when there was much, let the second loop help."""
        first_shard = 0
        while not stop.is_set():
            sent = await self._try_round(first_shard, stop)
            first_shard = _after(first_shard)
            if sent >= BUSY_EVENTS:
                self._busy.set()
            elif sent == 0:
                await self._rest(stop)

    async def _second_loop(self, stop: asyncio.Event) -> None:
        """Publish beside the first loop for as long as there is much."""
        first_shard = SHARDS_A_CLAIM
        while not stop.is_set():
            await self._busy.wait()
            self._busy.clear()
            sent = BUSY_EVENTS
            while sent >= BUSY_EVENTS and not stop.is_set():
                sent = await self._try_round(first_shard, stop)
                first_shard = _after(first_shard)

    async def _rest(self, stop: asyncio.Event) -> None:
        """Return when a wake-up came, or when the poll finds that something waits."""
        while not await set_within(self._woken, self._poll_seconds):
            try:
                async with transaction(self._pool, read_only=True) as connection:
                    if await connection.fetchval(_PENDING, self._pauses.resting()):
                        return
                self._database.is_back()
            except PostgresError as error:
                await set_within(stop, self._database.is_away(str(error)))
        self._woken.clear()

    async def _try_round(self, first_shard: int, stop: asyncio.Event) -> int:
        """Publish one round and return how many events were sent; 0 as well when the bus or the database is away."""
        publisher = await self._connected_publisher()
        if publisher is None:
            return 0
        try:
            sent = await self._round(publisher, first_shard)
        except PostgresError as error:
            await set_within(stop, self._database.is_away(str(error)))
            return 0
        self._database.is_back()
        return sent

    async def _round(self, publisher: PipelinedPublisher, first_shard: int) -> int:
        """Claim, publish, and move the cursors, in one transaction."""
        async with transaction(self._pool) as connection:
            await connection.execute(_GUARD, self._claim_limit)
            resting = self._pauses.resting()
            rows = await connection.fetch(_CLAIM, first_shard, resting, SHARDS_A_CLAIM, EVENTS_A_ROUND)
            if not rows:
                return 0
            prepared = prepare_round(rows, careful=self._pauses.careful())
            prepared.conclude(await publisher.publish(prepared.messages))
            self._pauses.note(prepared.failures, prepared.advanced)
            positions = prepared.advanced.values()
            if positions:
                numbers, days = [at.number for at in positions], [at.day for at in positions]
                await connection.execute(_ADVANCE, list(prepared.advanced), numbers, days)
            return len(prepared.messages)

    async def _connected_publisher(self) -> PipelinedPublisher | None:
        """Return the publisher of the standing connection, set up on first use; None while there is none."""
        async with self._opening:
            client = connection_of(self._broker)
            if client is None:
                return None
            if self._bus is None or self._bus[0] is not client:
                await self._close_bus()
                publisher = PipelinedPublisher(client, ack_timeout_seconds=self._ack_timeout_seconds)
                try:
                    await publisher.open()
                    wakes = await client.subscribe(wake_subject(self._service), cb=self._on_wake)
                except nats.errors.Error as error:
                    logger.bind(cause=str(error)).debug("outbox relay could not use the bus")
                    return None
                self._bus = client, publisher, wakes
            return self._bus[1]

    async def _close_bus(self) -> None:
        bus, self._bus = self._bus, None
        if bus is None:
            return
        client, publisher, wakes = bus
        await publisher.close()
        if not client.is_closed:
            with suppress(nats.errors.Error):
                await wakes.unsubscribe()

    async def _on_wake(self, _: Msg) -> None:
        self._woken.set()


def _after(first_shard: int) -> int:
    """Begin each claim elsewhere, so that no shard starves behind busy ones."""
    return (first_shard + SHARDS_A_CLAIM + 1) % SHARDS
