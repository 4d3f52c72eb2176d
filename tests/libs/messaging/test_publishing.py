import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.js.api import StreamConfig

from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.publishing import (
    FAILURE_CONNECTION,
    FAILURE_FULL,
    FAILURE_NO_STREAM,
    FAILURE_TIMEOUT,
    Message,
    PipelinedPublisher,
    connection_of,
)

pytestmark = pytest.mark.requirement("EV-03")


@pytest.fixture
async def publisher(booking_broker) -> AsyncIterator[PipelinedPublisher]:
    made = PipelinedPublisher(connection_of(booking_broker), ack_timeout_seconds=2.0)
    await made.open()
    yield made
    await made.close()


def message(subject: str = "booking.room.created.v1", event_id: str | None = None) -> Message:
    return Message(subject, b"{}", {"Nats-Msg-Id": event_id or new_event_id()})


async def test_each_message_has_its_own_outcome(publisher) -> None:
    outcomes = await publisher.publish([message(event_id="a"), message(event_id="b"), message(event_id="a")])
    assert [(o.failure, o.stream, o.duplicate) for o in outcomes] == [
        (None, "BOOKING", False),
        (None, "BOOKING", False),
        (None, "BOOKING", True),
    ]
    assert all(0 < outcome.seconds < 2 for outcome in outcomes)


async def test_batches_run_side_by_side(publisher, js) -> None:
    batches = await asyncio.gather(*(publisher.publish([message() for _ in range(200)]) for _ in range(5)))
    assert {outcome.failure for batch in batches for outcome in batch} == {None}
    assert (await js.stream_info("BOOKING")).state.messages == 1000


async def test_an_empty_batch_is_nothing(publisher) -> None:
    assert await publisher.publish([]) == []


async def test_a_subject_without_a_stream(publisher, js) -> None:
    await js.delete_stream("IDENTITY")
    outcomes = await publisher.publish([message("identity.x.v1"), message()])
    assert [outcome.failure for outcome in outcomes] == [FAILURE_NO_STREAM, None]


@pytest.mark.requirement("EV-02")
async def test_a_full_stream_says_so(publisher, js) -> None:
    config = (await js.stream_info("BOOKING")).config
    await js.update_stream(StreamConfig(**{**config.__dict__, "max_msgs": 2}))
    outcomes = await publisher.publish([message() for _ in range(4)])
    assert [outcome.failure is None for outcome in outcomes] == [True, True, False, False]
    assert str(outcomes[3].failure).startswith(FAILURE_FULL)


@pytest.mark.requirement("EV-08")
async def test_a_subject_of_another_service_is_never_acknowledged(publisher) -> None:
    outcomes = await publisher.publish([message("security.block.imposed.v1"), message()])
    assert [outcome.failure for outcome in outcomes] == [FAILURE_TIMEOUT, None]


async def test_a_message_the_client_refuses_costs_the_others_nothing(publisher) -> None:
    too_large = Message("booking.room.created.v1", b"x" * (2 << 20), {"Nats-Msg-Id": "large"})
    outcomes = await publisher.publish([message(), too_large, message()])
    assert [outcome.failure is None for outcome in outcomes] == [True, False, True]
    assert "MaxPayloadError" in str(outcomes[1].failure)


async def test_a_broken_connection_is_noticed_before_the_ack_timeout(booking_broker, nats_server, eventually) -> None:
    publisher = PipelinedPublisher(connection_of(booking_broker), ack_timeout_seconds=3600)
    await publisher.open()
    unanswered = asyncio.create_task(publisher.publish([message(), message("security.nobody.answers.v1")]))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(nats_server.kill)
    async with asyncio.timeout(30):
        outcomes = await unanswered
        later = await publisher.publish([message() for _ in range(3)])
    assert [outcome.failure for outcome in outcomes] == [None, FAILURE_CONNECTION]
    assert {outcome.failure for outcome in later} == {FAILURE_CONNECTION}
    assert connection_of(booking_broker) is None
    await asyncio.to_thread(nats_server.restart)

    async def is_back() -> bool:
        return booking_broker.is_connected

    await eventually(is_back)
    assert {outcome.failure for outcome in await publisher.publish([message()])} == {None}
    await publisher.close()


async def test_a_late_answer_to_a_batch_given_up_is_ignored(booking_broker, bus) -> None:
    publisher = PipelinedPublisher(connection_of(booking_broker), ack_timeout_seconds=0.0)
    await publisher.open()
    outcomes = await publisher.publish([message()])
    assert outcomes[0].failure == FAILURE_TIMEOUT
    await asyncio.sleep(0.2)
    assert outcomes[0].failure == FAILURE_TIMEOUT
    await publisher.close()
