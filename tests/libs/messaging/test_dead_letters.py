import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from nats.js import JetStreamContext

from yoyaku.contracts.identity_v1 import PersonCreated
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.consumer import subscribe
from yoyaku.messaging.dead_letters import (
    DeadLetter,
    Filter,
    InvalidFilterError,
    RedriveError,
    bury,
    find_dead_letter,
    list_dead_letters,
    read_dead_letter,
    redrive,
    redrive_these,
)
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING, AUDIT_LOG_IDENTITY, ConsumerSpec
from yoyaku.testkit.bus import Bus

BrokerOf = Callable[..., Awaitable[ServiceBroker]]
BOOKING = AUDIT_LOG_BOOKING


@pytest.fixture
async def operator(bus: Bus):
    client = await bus.connect("operator")
    yield client.jetstream()
    await client.close()


@pytest.fixture
def bury_all(js: JetStreamContext):
    """Make dead letters of everything a consumer has before it."""

    async def make(spec: ConsumerSpec, count: int, reason: str = "failed 5 times") -> None:
        subscription = await js.pull_subscribe_bind(spec.durable, spec.stream)
        for _ in range(count):
            (message,) = await subscription.fetch(1, timeout=10)
            await bury(js, message, spec, reason=reason, error=ValueError("no\nsuch room"))
            await message.ack()
        await subscription.unsubscribe()

    return make


async def listed(js: JetStreamContext, *conditions: str) -> list[DeadLetter]:
    return [letter async for letter in list_dead_letters(js, Filter.parse(list(conditions)))]


@pytest.mark.requirement("EV-05")
async def test_a_dead_letter_says_what_died_where_and_why(operator, publisher, bury_all) -> None:
    event_id = await publisher.publish(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    await bury_all(BOOKING, 1)
    (letter,) = await listed(operator)
    assert (letter.event_id, letter.type) == (event_id, "booking.room.created.v1")
    assert (letter.stream, letter.consumer, letter.original_sequence) == ("BOOKING", BOOKING.durable, 1)
    assert (letter.reason, letter.error_type, letter.error) == ("failed 5 times", "ValueError", "no such room")
    assert (letter.deliveries, letter.headers["traceparent"][:6]) == (1, "00-111")
    assert json.loads(letter.data or b"")["site"] == "Kyoto"
    assert not any(name.startswith(("Dead-Letter", "Nats-")) for name in letter.headers)


@pytest.mark.requirement("EV-05")
async def test_burying_again_after_a_crash_keeps_one_dead_letter(js, operator, publisher) -> None:
    await publisher.publish()
    subscription = await js.pull_subscribe_bind(BOOKING.durable, BOOKING.stream)
    (message,) = await subscription.fetch(1, timeout=10)
    await bury(js, message, BOOKING, reason="first", error=None)
    await bury(js, message, BOOKING, reason="again", error=None)
    assert [letter.reason for letter in await listed(operator)] == ["first"]


@pytest.mark.requirement("EV-05")
async def test_filters_choose_by_stream_consumer_type_reason_and_id(operator, publisher, bury_all) -> None:
    rooms = await publisher.publish_many(2)
    await bury_all(BOOKING, 2, "unreadable: ce-time")
    person = await publisher.publish(PersonCreated(person_id="0190b0a4-0000-7000-8000-000000000001", role="USER"))
    await bury_all(AUDIT_LOG_IDENTITY, 1)
    expected = {
        "stream=BOOKING": rooms,
        "stream=BACKUP": [],
        f"consumer={AUDIT_LOG_IDENTITY.durable}": [person],
        "type=identity.person.created.v1": [person],
        "reason=UNREADABLE": rooms,
        f"id={rooms[1]}": [rooms[1]],
        "id=3": [person],
    }
    for condition, ids in expected.items():
        assert [letter.event_id for letter in await listed(operator, condition)] == ids, condition
    assert await listed(operator, "stream=BOOKING", f"id={person}") == []


@pytest.mark.parametrize("wrong", ["stream", "stream=", "colour=red", "=x"])
def test_a_filter_that_is_none_is_refused_and_never_means_everything(wrong: str) -> None:
    with pytest.raises(InvalidFilterError, match="stream=…"):
        Filter.parse([wrong])


@pytest.mark.requirement("EV-05")
async def test_redrive_puts_the_same_event_back_and_deletes_the_dead_letter(
    js, operator, publisher, bury_all, broker_of: BrokerOf, until
) -> None:
    event_id = await publisher.publish()
    await bury_all(BOOKING, 1)
    (letter,) = await listed(operator)
    assert await redrive(operator, letter) == 2
    original, again = await js.get_msg("BOOKING", 1), await js.get_msg("BOOKING", 2)
    assert (again.subject, again.data) == (original.subject, original.data)
    assert again.headers["ce-id"] == event_id
    assert again.headers["Nats-Msg-Id"] != original.headers["Nats-Msg-Id"]
    assert {k for k in again.headers if not k.startswith("Nats-")} == {
        k for k in original.headers if not k.startswith("Nats-")
    }
    assert await listed(operator) == []
    handled: list[str] = []

    async def handle(events) -> None:
        handled.extend(event.envelope.id for event in events)

    subscription = subscribe(await broker_of("audit-log"), BOOKING, handle)
    await subscription.start()
    await until(lambda: handled == [event_id])
    await subscription.stop()


@pytest.mark.requirement("EV-05")
async def test_a_dead_letter_stays_when_the_stream_does_not_take_it_back(js, operator, publisher, bury_all) -> None:
    await publisher.publish_many(2)
    await bury_all(BOOKING, 2)
    config = (await js.stream_info("BOOKING")).config
    await js.update_stream(config.evolve(max_msgs=2))
    letters = await listed(operator)
    with pytest.raises(RedriveError):
        await redrive(operator, letters[0])
    assert await listed(operator) == letters
    await js.update_stream(config)
    outcomes = [(letter.sequence, problem) async for letter, problem in redrive_these(operator, letters)]
    assert outcomes == [(1, None), (2, None)]
    assert await listed(operator) == []


@pytest.mark.requirement("EV-05")
async def test_a_redrive_that_was_cut_short_does_not_put_the_event_back_twice(
    js, operator, publisher, bury_all
) -> None:
    await publisher.publish()
    await bury_all(BOOKING, 1)
    (letter,) = await listed(operator)
    await redrive(operator, letter)
    with pytest.raises(RedriveError, match="somebody else"):
        await redrive(operator, letter)
    assert (await js.stream_info("BOOKING")).state.messages == 2


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize("terminated", [True, False])
async def test_what_only_the_server_gave_up_is_found_by_its_advisory_and_put_back(
    js, operator, publisher, until, terminated: bool
) -> None:
    event_id = await publisher.publish()
    info = await js.consumer_info(BOOKING.stream, BOOKING.durable)
    await js.add_consumer(BOOKING.stream, info.config.evolve(max_deliver=1))
    subscription = await js.pull_subscribe_bind(BOOKING.durable, BOOKING.stream)
    (message,) = await subscription.fetch(1, timeout=10)
    await (message.term() if terminated else message.nak())
    # The server counts its deliveries only when somebody asks for another.
    asking = asyncio.create_task(subscription.fetch(1, timeout=60))

    async def caught() -> bool:
        return len(await listed(operator)) == 1

    await until(caught)
    asking.cancel()
    (letter,) = await listed(operator)
    assert letter.reason == ("terminated by its consumer" if terminated else "deliveries exhausted")
    assert (letter.event_id, letter.stream, letter.consumer) == (event_id, "BOOKING", BOOKING.durable)
    assert letter.deliveries == 1
    assert await read_dead_letter(operator, letter.sequence) == letter
    await redrive(operator, letter)
    assert await listed(operator) == []
    assert (await js.get_msg("BOOKING", 2)).headers["ce-id"] == event_id


@pytest.mark.requirement("EV-05")
async def test_an_advisory_of_an_event_that_is_gone_is_shown_and_cannot_be_put_back(js, operator, until) -> None:
    advisory = {"stream": "BOOKING", "consumer": BOOKING.durable, "stream_seq": 99, "deliveries": 25}
    subject = f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.BOOKING.{BOOKING.durable}"
    await js.publish(subject, json.dumps(advisory).encode())
    await js.publish(subject, b"not json")
    (letter,) = await listed(operator)
    assert (letter.data, letter.type, letter.deliveries) == (None, None, 25)
    with pytest.raises(RedriveError, match="no longer"):
        await redrive(operator, letter)
    assert len(await listed(operator)) == 1


async def test_one_is_found_by_its_number_or_its_events_id(operator, publisher, bury_all) -> None:
    ids = await publisher.publish_many(2)
    await bury_all(BOOKING, 2)
    by_number, by_id = await find_dead_letter(operator, "2"), await find_dead_letter(operator, ids[1])
    assert by_number == by_id is not None
    assert await find_dead_letter(operator, "7") is None
    assert await find_dead_letter(operator, "nobody") is None
