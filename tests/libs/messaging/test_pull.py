import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.pull import PromptPull
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING as SPEC

BATCH = 10
LONG = 10_000.0


@pytest.fixture
async def pull(broker_of: Callable[[str], Awaitable[ServiceBroker]]) -> AsyncIterator[PromptPull]:
    broker = await broker_of(SPEC.owner)
    made = PromptPull(broker.connection, stream=SPEC.stream, durable=SPEC.durable, batch_size=BATCH)
    await made.open()
    yield made
    await made.unsubscribe()


async def undelivered(js: JetStreamContext) -> int:
    return (await js.consumer_info(SPEC.stream, SPEC.durable)).num_pending or 0


async def test_a_fetch_returns_what_is_there_and_waits_for_no_more(pull: PromptPull, publisher) -> None:
    asking = asyncio.create_task(pull.fetch(BATCH, LONG))
    await publisher.publish()
    async with asyncio.timeout(20):
        assert len(await asking) == 1
    with pytest.raises(NatsTimeoutError):
        await pull.fetch(BATCH - 1, LONG)  # FastStream's wish to fill the batch


async def test_a_fetch_of_nothing_ends_with_its_timeout(pull: PromptPull) -> None:
    with pytest.raises(NatsTimeoutError):
        await pull.fetch(BATCH, 0.05)


async def test_no_more_than_two_batches_are_held(js: JetStreamContext, pull: PromptPull, publisher, until) -> None:
    await publisher.publish_many(100)
    await pull.fetch(BATCH, LONG)
    await until(lambda: len(pull.held) >= BATCH)

    async def settled() -> bool:
        return await undelivered(js) <= 100 - 2 * BATCH

    await until(settled)
    assert len(pull.held) <= 3 * BATCH
    assert await undelivered(js) >= 100 - 3 * BATCH


@pytest.mark.requirement("GW-07")
async def test_what_was_not_taken_over_is_given_back_and_what_was_is_not(
    js: JetStreamContext, pull: PromptPull, publisher, until
) -> None:
    await publisher.publish_many(30)
    taken = await pull.fetch(BATCH, LONG)
    pull.taken()
    handed = await pull.fetch(BATCH, LONG)
    await pull.unsubscribe()
    assert pull.held == []
    again = await js.pull_subscribe_bind(SPEC.durable, SPEC.stream)
    found: set[int] = set()
    async with asyncio.timeout(20):  # sooner than the acknowledgement's timeout
        while len(found) < 30 - len(taken):
            found |= {message.metadata.sequence.stream for message in await again.fetch(BATCH, timeout=10)}
    assert found == set(range(1, 31)) - {message.metadata.sequence.stream for message in taken}
    assert {message.metadata.sequence.stream for message in handed} <= found


@pytest.mark.requirement("GW-05")
async def test_a_consumer_that_is_missing_is_noticed_and_asked_again(
    js: JetStreamContext, pull: PromptPull, publisher, until
) -> None:
    info = await js.consumer_info(SPEC.stream, SPEC.durable)
    asking = asyncio.create_task(pull.fetch(BATCH, LONG))
    await js.delete_consumer(SPEC.stream, SPEC.durable)
    await until(lambda: pull.consumer_missing)
    await js.add_consumer(SPEC.stream, info.config)
    await publisher.publish()
    async with asyncio.timeout(20):
        assert len(await asking) == 1
    assert not pull.consumer_missing
