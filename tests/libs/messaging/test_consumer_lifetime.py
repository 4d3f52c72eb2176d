"""The lifetime of a consumer: started, stopped, deleted under its feet, cut off from NATS, and used again."""

import asyncio

import pytest
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.errors import ConnectionClosedError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

from yoyaku.messaging import consumer as consumer_module
from yoyaku.messaging.consumer import subscribe
from yoyaku.messaging.provision import provision
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING
from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.testkit.bus import Bus

SPEC = AUDIT_LOG_BOOKING


@pytest.mark.requirement("GW-07")
async def test_stopping_finishes_the_running_call_and_gives_everything_else_back_at_once(
    js, publisher, consume, seen, make_seen, until
) -> None:
    running, release = asyncio.Event(), asyncio.Event()

    async def hold(_: object) -> None:
        running.set()
        await release.wait()

    seen.before = hold
    ids = await publisher.publish_many(600)
    subscription = await consume(seen)
    await running.wait()
    stopping = asyncio.create_task(subscription.stop())
    await asyncio.sleep(0)
    release.set()
    await stopping
    handled = list(seen.done)
    assert 0 < len(handled) < 600
    assert len(seen.batches) == 1
    again = make_seen()
    await consume(again)
    await until(lambda: len(again.done) == 600 - len(handled))
    assert sorted(handled + again.done) == sorted(ids)


@pytest.mark.requirement("GW-07")
async def test_stopping_ends_a_pause(js, publisher, consume, seen, make_seen, until) -> None:
    def away(_: object) -> None:
        raise DatabaseUnavailableError("away")

    seen.before = away
    await publisher.publish_many(5)
    subscription = await consume(seen)
    await until(lambda: subscription.status.paused_since is not None)
    await subscription.stop()
    again = make_seen()
    await consume(again)
    await until(lambda: len(again.done) == 5)


@pytest.mark.requirement("GW-07")
async def test_stopping_the_broker_stops_its_subscriptions_too(js, publisher, broker_of, seen, until) -> None:
    def away(_: object) -> None:
        raise DatabaseUnavailableError("away")

    seen.before = away
    await publisher.publish_many(5)
    broker = await broker_of(SPEC.owner)
    subscription = subscribe(broker, SPEC, seen)
    await subscription.start()
    await until(lambda: subscription.status.paused_since is not None)
    await broker.stop()
    assert not subscription.status.running


@pytest.mark.requirement("EV-05")
async def test_a_stop_whose_caller_is_cancelled_ends_the_subscription_all_the_same(
    js, publisher, consume, seen, make_seen, until
) -> None:
    running, release = asyncio.Event(), asyncio.Event()

    async def hold(_: object) -> None:
        running.set()
        await release.wait()

    seen.before = hold
    await publisher.publish()
    subscription = await consume(seen)
    await running.wait()
    stopping = asyncio.create_task(subscription.stop())
    await asyncio.sleep(0.05)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    release.set()
    await subscription.stop()
    await publisher.publish_many(5)
    again = make_seen()
    await consume(again)
    await until(lambda: len(again.done) == 5)
    assert {event.delivered_count for event in again.events} == {1}


@pytest.mark.requirement("EV-05")
async def test_stopping_ends_a_look_that_takes_its_cancellation_for_an_answer(
    publisher, consume, seen, make_seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `asyncio.wait_for` of Python 3.11 does when the answer comes in the same turn of the loop."""
    monkeypatch.setattr(consumer_module, "WATCH_SECONDS", 0.05)
    subscription = await consume(seen)
    looking = asyncio.Event()
    real = JetStreamContext.consumer_info

    async def answer_when_cancelled(js: JetStreamContext, *arguments: object, **options: object) -> object:
        info = await real(js, *arguments, **options)
        looking.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return info

    monkeypatch.setattr(JetStreamContext, "consumer_info", answer_when_cancelled)
    await looking.wait()
    async with asyncio.timeout(10):
        await subscription.stop()
    monkeypatch.undo()
    await publisher.publish_many(5)
    again = make_seen()
    await consume(again)
    await until(lambda: len(again.done) == 5)
    assert {event.delivered_count for event in again.events} == {1}


async def test_a_subscription_can_be_started_and_stopped_again_and_again(js, publisher, consume, seen, until) -> None:
    subscription = await consume(seen)
    for number in range(1, 4):
        await subscription.start()
        await publisher.publish()
        await until(lambda number=number: len(seen.done) == number)
        await subscription.stop()
        await subscription.stop()
        assert not subscription.status.running
    await publisher.publish()
    assert len(seen.done) == 3


@pytest.mark.requirement("GW-05")
async def test_a_consumer_deleted_while_running_is_noticed_and_used_again_when_it_is_back(
    js, bus: Bus, publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "WATCH_SECONDS", 0.1)
    monkeypatch.setattr(consumer_module, "UNATTACHED_WATCH_SECONDS", 0.1)
    subscription = await consume(seen)
    await js.delete_consumer(SPEC.stream, SPEC.durable)
    await until(lambda: subscription.status.missing)
    assert "does not exist" in (subscription.status.problem or "")
    await provision(js)
    event_id = await publisher.publish()
    await until(lambda: event_id in seen.done)
    await until(lambda: not subscription.status.missing)
    assert subscription.status.problem is None


@pytest.mark.requirement("GW-05")
async def test_a_consumer_that_does_not_exist_yet_is_waited_for_and_never_made_by_the_service(
    js, publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "UNATTACHED_WATCH_SECONDS", 0.05)
    await js.delete_consumer(SPEC.stream, SPEC.durable)
    subscription = await consume(seen)
    assert subscription.status.missing
    assert [c.name for c in await js.consumers_info(SPEC.stream)] == []
    await provision(js)
    await publisher.publish()
    await until(lambda: len(seen.done) == 1)


@pytest.mark.requirement("GW-05")
async def test_a_start_that_fails_on_the_way_is_tried_again(
    publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "UNATTACHED_WATCH_SECONDS", 0.05)
    broken = [NatsTimeoutError(), ConnectionClosedError()]
    start = BatchPullStreamSubscriber.start

    async def fail_first(subscriber: BatchPullStreamSubscriber) -> None:
        if broken:
            raise broken.pop()
        await start(subscriber)

    monkeypatch.setattr(BatchPullStreamSubscriber, "start", fail_first)
    subscription = await consume(seen)
    assert "ConnectionClosedError" in (subscription.status.problem or "")
    await publisher.publish()
    await until(lambda: len(seen.done) == 1)
    await until(lambda: subscription.status.problem is None)


@pytest.mark.requirement("EV-05")
async def test_consuming_goes_on_after_nats_was_killed(
    bus: Bus, nats_server, js, publisher, consume, seen, until
) -> None:
    await consume(seen)
    await publisher.publish()
    await until(lambda: len(seen.done) == 1)
    nats_server.kill()
    nats_server.restart()
    client = await bus.connect()
    publisher.js = client.jetstream()
    await publisher.publish_many(20)
    await until(lambda: len(set(seen.done)) == 21)
    await client.close()
