import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from faststream.nats import JStream, NatsMessage, PullSub
from nats.js import JetStreamContext

from yoyaku.embedded.ports import choose_port
from yoyaku.messaging.broker import (
    BusError,
    DelayedRetry,
    SeedFileReadableError,
    ServiceBroker,
    jetstream,
    make_broker,
    start_broker,
)
from yoyaku.messaging.outcomes import RetryPolicy
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING
from yoyaku.testkit.bus import Bus

BrokerOf = Callable[..., Awaitable[ServiceBroker]]


@pytest.mark.requirement("EV-05")
async def test_an_exception_in_a_plain_handler_loses_nothing(
    js: JetStreamContext, broker_of: BrokerOf, publisher, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DelayedRetry, "policy", RetryPolicy(first_delay_seconds=0.05))
    broker = await broker_of("audit-log", start=False)
    attempts: list[int] = []

    @broker.subscriber(
        "booking.>",
        stream=JStream("BOOKING", declare=False),
        durable=AUDIT_LOG_BOOKING.durable,
        pull_sub=PullSub(batch_size=1, timeout=1.0),
        inbox_prefix=f"{broker.inbox_prefix}.".encode(),
    )
    async def handle(message: NatsMessage) -> None:
        attempts.append(message.raw_message.metadata.num_delivered)
        if len(attempts) < 3:
            raise RuntimeError("not yet")

    await start_broker(broker)
    await publisher.publish()
    await until(lambda: attempts == [1, 2, 3])

    async def settled() -> bool:
        return (await js.consumer_info("BOOKING", AUDIT_LOG_BOOKING.durable)).num_ack_pending == 0

    await until(settled)
    assert (await js.stream_info("DEAD_LETTERS")).state.messages == 0


@pytest.mark.requirement("GW-06")
async def test_a_broker_waits_for_nats_and_goes_on_when_it_comes(bus: Bus, nats_server, broker_of: BrokerOf) -> None:
    nats_server.kill()
    broker = await broker_of("booking", start=False)
    starting = asyncio.create_task(start_broker(broker))
    await asyncio.sleep(0.3)
    assert not starting.done()
    nats_server.restart()
    async with asyncio.timeout(20):
        assert await starting
    assert broker.is_connected


async def test_waiting_for_nats_ends_when_asked_to_stop(tmp_path) -> None:
    broker = make_broker(NatsSettings(url=f"nats://127.0.0.1:{choose_port()}"), service="booking")
    stop = asyncio.Event()
    starting = asyncio.create_task(start_broker(broker, stop=stop))
    await asyncio.sleep(0.05)
    stop.set()
    async with asyncio.timeout(20):
        assert await starting is False
    assert not broker.is_connected
    await broker.stop()


@pytest.mark.requirement("GW-06")
async def test_after_a_kill_of_nats_the_broker_is_back_and_tells_who_asked(
    bus: Bus, nats_server, broker_of: BrokerOf, until, logged
) -> None:
    broker = await broker_of("booking")
    told: list[str] = []
    forget = broker.on_reconnect(lambda: told.append("first"))
    broker.on_reconnect(lambda: told.append("second"))
    forget()
    nats_server.kill()
    await until(lambda: not broker.is_connected)
    nats_server.restart()
    await until(lambda: told == ["second"])
    assert broker.is_connected
    assert not broker.closed_for_good
    assert logged.named("bus connection back") == [{"service": "booking"}]
    await jetstream(broker).publish("booking.room.created.v1", b"{}")


@pytest.mark.requirement("OB-03")
async def test_a_bus_that_is_away_does_not_flood_the_log(
    bus: Bus, nats_server, broker_of: BrokerOf, until, logged
) -> None:
    broker = await broker_of("booking")
    nats_server.kill()
    await until(lambda: not broker.is_connected)
    await asyncio.sleep(1.5)  # several attempts to reconnect
    assert 1 <= len(logged.named("bus connection error")) <= 3
    nats_server.restart()
    await until(lambda: broker.is_connected)


async def test_a_seed_that_others_can_read_is_refused(bus: Bus, tmp_path) -> None:
    seed = tmp_path / "booking.nk"
    seed.write_bytes(bus.seed_file("booking").read_bytes())
    seed.chmod(0o640)
    with pytest.raises(SeedFileReadableError, match="0600"):
        make_broker(NatsSettings(url=bus.url, nkey_seed_file=seed), service="booking")


def test_a_broker_that_is_not_started_has_no_jetstream() -> None:
    with pytest.raises(BusError):
        jetstream(make_broker(NatsSettings(url="nats://127.0.0.1:1"), service="booking"))


@pytest.mark.requirement("GW-07")
async def test_a_broker_stops_cleanly_while_nats_is_away(bus: Bus, nats_server, broker_of: BrokerOf, until) -> None:
    broker = await broker_of("booking")
    client = jetstream(broker)._nc
    nats_server.kill()
    await until(lambda: not broker.is_connected)
    await broker.stop()
    assert client.is_closed
    nats_server.restart()


def test_what_faststream_tells_of_its_own_workings_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("yoyaku.messaging.faststream")
    for level, shown in ((logging.INFO, ["WARNING"]), (logging.DEBUG, ["DEBUG", "WARNING"])):
        caplog.clear()
        with caplog.at_level(level, logger=log.name):
            log.log(logging.INFO, "callback for Task-7 is being executed...")
            log.log(logging.WARNING, "a task raised an exception, retrying")
        assert [record.levelname for record in caplog.records] == shown
