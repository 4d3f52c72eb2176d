import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from nats.js import JetStreamContext
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.messaging import consumer as consumer_module
from yoyaku.messaging.consumer import ReceivedEvent, subscribe
from yoyaku.messaging.outcomes import DependencyUnavailableError, Reject, RetryLater, RetryPolicy
from yoyaku.messaging.topology import AUDIT_LOG_BOOKING
from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.testkit.bus import Bus

SPEC = AUDIT_LOG_BOOKING
QUICK = RetryPolicy(first_delay_seconds=0.02, max_delay_seconds=0.1)
Until = Callable[[Callable[[], object]], Awaitable[None]]


async def open_count(js: JetStreamContext) -> int:
    """What the consumer has still before it: undelivered, and delivered without an acknowledgement."""
    info = await js.consumer_info(SPEC.stream, SPEC.durable)
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def all_settled(js: JetStreamContext) -> bool:
    return await open_count(js) == 0


async def dead_letters(js: JetStreamContext) -> list:
    state = (await js.stream_info("DEAD_LETTERS")).state
    return [await js.get_msg("DEAD_LETTERS", n) for n in range(max(1, state.first_seq), state.last_seq + 1)]


@pytest.mark.requirement("EV-04")
async def test_every_event_is_handled_once_in_order_and_acknowledged(js, publisher, consume, seen, until) -> None:
    ids = await publisher.publish_many(600)
    await consume(seen)
    await until(lambda: len(seen.done) == 600)
    assert seen.done == ids
    assert max(len(batch) for batch in seen.batches) > 1
    await until(lambda: all_settled(js))
    assert isinstance(seen.events[0].event(), RoomCreated)
    assert seen.events[599].stream_sequence == 600
    assert seen.events[0].delivered_count == 1


@pytest.mark.requirement("SD-03")
async def test_a_lone_event_does_not_wait_for_a_batch_or_a_timeout(
    publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "FETCH_SECONDS", 10_000.0)
    await consume(seen)
    for number in range(1, 4):
        await publisher.publish()
        await until(lambda number=number: len(seen.done) == number)
    assert [len(batch) for batch in seen.batches] == [1, 1, 1]


@pytest.mark.requirement("EV-05")
async def test_a_poison_event_costs_the_rest_of_its_batch_nothing(js, publisher, consume, seen, until) -> None:
    ids = await publisher.publish_many(100)
    poison = ids[37]

    def refuse(events: Sequence[ReceivedEvent]) -> None:
        if any(event.envelope.id == poison for event in events):
            raise ValueError("poison")

    seen.before = refuse
    await consume(seen)
    await until(lambda: len(seen.done) == 99)
    assert sorted(seen.done) == sorted(set(ids) - {poison})
    await until(lambda: all_settled(js))
    assert len(seen.done) == 99
    (letter,) = await dead_letters(js)
    assert letter.headers["ce-id"] == poison


@pytest.mark.requirement("EV-05")
async def test_what_keeps_failing_is_tried_five_times_and_kept_whole(js, publisher, consume, seen, until) -> None:
    def refuse(_: object) -> None:
        raise KeyError("nothing here")

    seen.before = refuse
    event_id = await publisher.publish(traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    original = await js.get_msg("BOOKING", 1)
    await consume(seen)
    await until(lambda: all_settled(js))
    assert seen.attempts == {event_id: 5}
    (letter,) = await dead_letters(js)
    assert letter.subject == SPEC.dead_letter_subject
    assert letter.data == original.data
    kept = {name: value for name, value in original.headers.items() if not name.startswith("Nats-")}
    assert kept.items() <= letter.headers.items()
    said = {name: value for name, value in letter.headers.items() if name.startswith("Dead-Letter-")}
    said.pop("Dead-Letter-Time")
    assert said == {
        "Dead-Letter-Reason": "failed 5 times",
        "Dead-Letter-Error-Type": "KeyError",
        "Dead-Letter-Error": "'nothing here'",
        "Dead-Letter-Subject": "booking.room.created.v1",
        "Dead-Letter-Stream": "BOOKING",
        "Dead-Letter-Consumer": "audit-log_booking",
        "Dead-Letter-Sequence": "1",
        "Dead-Letter-Deliveries": "5",
    }


@pytest.mark.requirement("EV-05")
async def test_an_event_that_fails_twice_is_handled_by_the_third_attempt(js, publisher, consume, seen, until) -> None:
    event_id = await publisher.publish()

    def fail_twice(_: object) -> None:
        if seen.attempts[event_id] < 3:
            raise RuntimeError

    seen.before = fail_twice
    await consume(seen)
    await until(lambda: all_settled(js))
    assert seen.done == [event_id]
    assert await dead_letters(js) == []


@pytest.mark.requirement("EV-05")
async def test_a_rejected_event_is_not_tried_again(js, publisher, consume, seen, until) -> None:
    def reject(_: object) -> None:
        raise Reject("the room was never made")

    seen.before = reject
    event_id = await publisher.publish()
    await consume(seen)
    await until(lambda: all_settled(js))
    assert seen.attempts == {event_id: 1}
    (letter,) = await dead_letters(js)
    assert letter.headers["Dead-Letter-Reason"] == "the room was never made"


@pytest.mark.requirement("EV-05")
async def test_a_handler_may_ask_for_a_delay(js, publisher, consume, seen, until) -> None:
    event_id = await publisher.publish()

    def once_later(_: object) -> None:
        if seen.attempts[event_id] == 1:
            raise RetryLater(0.05)

    seen.before = once_later
    await consume(seen)
    await until(lambda: seen.done == [event_id])
    await until(lambda: all_settled(js))


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize("error", [DatabaseUnavailableError("away"), DependencyUnavailableError("away")])
async def test_a_dependency_that_is_away_pauses_and_spends_no_attempt(
    js, publisher, consume, seen, until, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yoyaku.messaging.handling.PAUSE_LONGEST_SECONDS", 0.05)
    ids = await publisher.publish_many(10)
    is_away = True

    def need(_: object) -> None:
        if is_away:
            raise error

    seen.before = need
    subscription = await consume(seen)
    await until(lambda: len(seen.batches) > 15)
    assert subscription.status.paused_since is not None
    assert "waits for a dependency" in (subscription.status.problem or "")
    assert seen.done == []
    is_away = False
    await until(lambda: len(seen.done) == 10)
    await until(lambda: all_settled(js))
    assert seen.done == ids
    assert [event.delivered_count for event in seen.events] == [1] * 10
    assert await dead_letters(js) == []
    assert subscription.status.problem is None


@pytest.mark.requirement("EV-05")
async def test_messages_are_kept_alive_while_a_handler_takes_longer_than_the_ack_timeout(
    js, bus: Bus, publisher, broker_of, seen, until
) -> None:
    info = await js.consumer_info(SPEC.stream, SPEC.durable)
    await js.add_consumer(SPEC.stream, info.config.evolve(ack_wait=1.0))
    release = asyncio.Event()
    seen.before = lambda _: asyncio.wait_for(release.wait(), 30)
    broker = await broker_of(SPEC.owner)
    from_spec = subscribe(broker, _with_ack_wait(1.0), seen)
    await publisher.publish_many(3)
    await from_spec.start()
    await until(lambda: len(seen.attempts) > 0)
    await asyncio.sleep(2.5)  # two and a half ack timeouts; without keeping alive all would be delivered again
    release.set()
    await until(lambda: all_settled(js))
    assert all(count == 1 for count in seen.attempts.values())
    assert [event.delivered_count for event in seen.events] == [1, 1, 1]
    await from_spec.stop()


def _with_ack_wait(seconds: float):
    return type(SPEC)(
        SPEC.stream,
        SPEC.durable,
        SPEC.owner,
        SPEC.filter_subjects,
        ack_wait_seconds=seconds,
        max_deliver=SPEC.max_deliver,
    )


UNREADABLE = [
    ({"ce-id": None}, b"{}", "ce-id"),
    ({"ce-time": "yesterday"}, b"{}", "ce-time"),
    ({}, b"{not json", "booking.room.created.v1"),
    ({}, b'{"room_id":"x"}', "room_id"),
]


@pytest.mark.requirement("EV-05")
@pytest.mark.parametrize(("changed", "data", "named"), UNREADABLE)
async def test_an_unreadable_event_is_dead_at_once_with_the_problem_named(
    js, publisher, consume, seen, until, changed, data: bytes, named: str
) -> None:
    room = RoomCreated(room_id=1, site="Kyoto", capacity=4, time_zone="Asia/Tokyo")
    headers = {k: v for k, v in (publisher.headers(room) | changed).items() if v is not None}
    await js.publish(room.TYPE, data, headers=headers)
    await consume(seen)
    await until(lambda: all_settled(js))
    assert seen.batches == []
    (letter,) = await dead_letters(js)
    assert letter.headers["Dead-Letter-Reason"].startswith("unreadable: ")
    assert named in letter.headers["Dead-Letter-Reason"]
    assert letter.headers["Dead-Letter-Deliveries"] == "1"
    assert letter.data == data


@pytest.mark.requirement("EV-05", "EV-06")
async def test_an_event_of_an_unknown_version_is_retried_before_it_is_dead(js, publisher, consume, seen, until) -> None:
    await publisher.publish(**{"ce-type": "booking.room.created.v9"})
    await consume(seen)
    await until(lambda: all_settled(js))
    (letter,) = await dead_letters(js)
    assert letter.headers["Dead-Letter-Deliveries"] == "5"
    assert letter.headers["Dead-Letter-Error-Type"] == "UnknownVersionError"
    assert "booking.room.created.v9" in letter.headers["Dead-Letter-Reason"]


@pytest.mark.requirement("AU-01")
async def test_a_consumer_that_accepts_unreadable_events_gets_their_bytes_and_the_problem(
    js, publisher, consume, seen, until
) -> None:
    await js.publish("booking.room.created.v1", b"\xff\x00", headers={"anything": "x"})
    await publisher.publish(**{"ce-type": "booking.room.created.v9"})
    await consume(seen, accepts_unreadable=True)
    await until(lambda: len(seen.events) == 2)
    headless, unknown = seen.events
    assert (headless.envelope, headless.data, headless.headers["anything"]) == (None, b"\xff\x00", "x")
    assert headless.problem and unknown.problem and unknown.envelope is not None
    with pytest.raises(consumer_module.UnknownVersionError):
        unknown.event()
    with pytest.raises(consumer_module.UnreadableEventError):
        headless.event()
    await until(lambda: all_settled(js))
    assert await dead_letters(js) == []


@pytest.mark.requirement("EV-05")
async def test_an_event_goes_back_when_its_dead_letter_cannot_be_stored(js, publisher, consume, seen, until) -> None:
    config = (await js.stream_info("DEAD_LETTERS")).config
    await js.update_stream(config.evolve(max_msgs=1))
    await js.publish("dlq.x.y", b"fills it")

    def reject(_: object) -> None:
        raise Reject("bad")

    seen.before = reject
    event_id = await publisher.publish()
    await consume(seen)
    await until(lambda: seen.attempts[event_id] >= 3)
    assert await open_count(js) == 1
    await js.update_stream(config)
    await until(lambda: all_settled(js))
    assert event_id in [letter.headers.get("ce-id") for letter in await dead_letters(js) if letter.headers]


@pytest.mark.requirement("EV-07")
async def test_each_event_has_a_span_of_its_own_under_its_own_stored_context(
    js, publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("yoyaku.messaging.handling.tracer", provider.get_tracer)
    parents = [f"00-{n:032x}-{n:016x}-01" for n in (7, 8, 9)]
    for parent in parents:
        await publisher.publish(traceparent=parent)
    active: list[int] = []

    def note(events: Sequence[ReceivedEvent]) -> None:
        active.append(trace.get_current_span().get_span_context().trace_id)
        if len(events) > 1:
            raise ValueError("one by one")

    seen.before = note
    await consume(seen)
    await until(lambda: len(exporter.get_finished_spans()) == 3)
    spans = sorted(exporter.get_finished_spans(), key=lambda span: span.context.trace_id)
    assert [(span.context.trace_id, span.parent.span_id) for span in spans] == [(7, 7), (8, 8), (9, 9)]
    assert {(span.name, span.kind) for span in spans} == {("process booking.room.created.v1", SpanKind.CONSUMER)}
    assert active[-3:] == [7, 8, 9] or set(active) >= {7, 8, 9}
    attributes = dict(spans[0].attributes)
    assert attributes["messaging.system"] == "nats"
    assert attributes["messaging.nats.stream"] == "BOOKING"
    assert attributes["messaging.nats.consumer"] == "audit-log_booking"
    assert attributes["messaging.nats.delivered_count"] == 1
    contexts = [trace.get_current_span(event.context).get_span_context().trace_id for event in seen.events]
    assert contexts == [7, 8, 9]


@pytest.mark.requirement("EV-05")
async def test_failures_dead_letters_and_ages_are_measured_by_stream_consumer_and_type(
    js, publisher, consume, seen, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: Counter[tuple[str, ...]] = Counter()

    class Instrument:
        def __init__(self, name: str) -> None:
            self.name = name

        def add(self, amount: float, labels: dict[str, str]) -> None:
            measured[(self.name, *labels.values())] += 1
            assert list(labels) == ["stream", "consumer", "type"]

        record = add

    for name in ("handle_duration", "event_age", "retries", "dead_letters"):
        monkeypatch.setattr(f"yoyaku.messaging.telemetry.{name}", Instrument(name))
    bad = await publisher.publish()
    await publisher.publish()

    def refuse(events: Sequence[ReceivedEvent]) -> None:
        if any(event.envelope.id == bad for event in events):
            raise ValueError

    seen.before = refuse
    await consume(seen)
    await until(lambda: all_settled(js))
    labels = ("BOOKING", "audit-log_booking", "booking.room.created.v1")
    assert measured == {
        ("handle_duration", *labels): 1,
        ("event_age", *labels): 1,
        ("retries", *labels): 4,
        ("dead_letters", *labels): 1,
    }


@pytest.mark.requirement("EV-07")
async def test_what_follows_from_an_event_that_nobody_records_stays_in_its_trace(
    publisher, consume, seen, until
) -> None:
    await publisher.publish(traceparent=f"00-{7:032x}-{7:016x}-00")
    active: list[trace.SpanContext] = []
    seen.before = lambda _: active.append(trace.get_current_span().get_span_context())
    await consume(seen)
    await until(lambda: seen.events)
    assert [(one.trace_id, one.trace_flags.sampled) for one in active] == [(7, False)]
    assert trace.get_current_span(seen.events[0].context).get_span_context().trace_id == 7
