"""Fixtures of tests on the real bus: brokers by service, events as a relay publishes them, what was logged."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from loguru import logger
from nats.js import JetStreamContext

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import Envelope, Event, to_headers
from yoyaku.contracts.registry import dataschema, encode
from yoyaku.messaging.broker import ServiceBroker, make_broker, start_broker
from yoyaku.messaging.ids import new_event_id
from yoyaku.testkit.bus import Bus

LIMIT_SECONDS = 20.0


async def wait_until(check: Callable[[], object]) -> None:
    """Wait until `check`, plain or async, says yes; fail after a long time."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            said = check()
            if await said if inspect.isawaitable(said) else said:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    return wait_until


@pytest.fixture
async def broker_of(bus: Bus) -> AsyncIterator[Callable[..., Awaitable[ServiceBroker]]]:
    """`await broker_of("audit-log")` gives that service's broker, started unless told not to."""
    made: list[ServiceBroker] = []

    async def make(service: str, *, start: bool = True) -> ServiceBroker:
        made.append(make_broker(bus.settings_for(service), service=service))
        if start:
            await start_broker(made[-1])
        return made[-1]

    yield make
    for broker in made:
        await broker.stop()


@dataclass
class Publisher:
    """Publishes events straight into their streams, as a relay does."""

    js: JetStreamContext
    ids: list[str] = field(default_factory=list)

    def headers(self, event: Event, **changed: str) -> dict[str, str]:
        self.ids.append(new_event_id())
        envelope = Envelope(
            id=self.ids[-1],
            source="/booking/07",
            type=event.TYPE,
            time=datetime.now(UTC),
            subject="room/1",
            sequence=len(self.ids),
            actor="operator",
            correlation_id="c",
            causation_id=None,
            client_address=None,
            dataschema=dataschema(event.TYPE),
        )
        return to_headers(envelope) | {"Nats-Msg-Id": self.ids[-1]} | changed

    async def publish(self, event: Event | None = None, **headers: str) -> str:
        """Publish one event and return its id."""
        event = event or RoomCreated(room_id=len(self.ids) + 1, site="Kyoto", capacity=4, time_zone="Asia/Tokyo")
        await self.js.publish(event.TYPE, encode(event), headers=self.headers(event, **headers))
        return self.ids[-1]

    async def publish_many(self, count: int) -> list[str]:
        return [await self.publish() for _ in range(count)]


@pytest.fixture
def publisher(js: JetStreamContext) -> Publisher:
    return Publisher(js)


@dataclass
class Logged:
    """Log lines: the message, and what was bound."""

    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def named(self, message: str) -> list[dict[str, object]]:
        return [extra for text, extra in self.lines if text == message]


@pytest.fixture
def logged() -> Iterator[Logged]:
    seen = Logged()
    sink = logger.add(lambda line: seen.lines.append((line.record["message"], line.record["extra"])), level="DEBUG")
    yield seen
    logger.remove(sink)
