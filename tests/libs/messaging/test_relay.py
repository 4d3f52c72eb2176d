import asyncio
import contextlib
import json
import signal
from itertools import pairwise

import pytest
from nats.js.api import StreamConfig
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.identity_v1 import AccessDenied
from yoyaku.contracts.registry import decode
from yoyaku.messaging import publish_spans
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.outbox import shard_of
from yoyaku.messaging.publishing import PipelinedPublisher
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.wake import Waker
from yoyaku.postgres.pool import connected_pool

pytestmark = pytest.mark.requirement("EV-03")


async def assert_each_number_once(state, events) -> None:
    """The stream holds every number of the outbox once, and each source in the order of its numbers."""
    assert sorted((event.source, event.number) for event in events) == await state.numbers()
    of_source: dict[str, list[int]] = {}
    for event in events:
        of_source.setdefault(event.source, []).append(event.number)
    for numbers in of_source.values():
        assert numbers == list(range(1, len(numbers) + 1))


async def stream_holds(js, count: int) -> bool:
    return (await js.stream_info("BOOKING")).state.messages >= count


async def test_what_was_committed_is_in_the_stream(state, emitter, run_relay, stored_events, eventually) -> None:
    await emitter.commit(130)
    async with run_relay():
        await eventually(state.published)
        await emitter.commit(20)
        await emitter.commit(20, aggregate="room/1")
        await eventually(state.published)
    events = await stored_events()
    assert sorted(event.event_id for event in events) == sorted(emitter.ids)
    await assert_each_number_once(state, events)


@pytest.mark.requirement("EV-01")
async def test_a_message_is_the_stored_envelope_and_its_number(
    state, emitter, run_relay, stored_events, eventually
) -> None:
    [event_id] = await emitter.commit(aggregate="room/1")
    stored = json.loads(await state.pool.fetchval("SELECT headers::text FROM outbox_event"))
    async with run_relay():
        await eventually(state.published)
    [event] = await stored_events()
    headers = {name: value for name, value in event.headers.items() if name.startswith("ce-")}
    assert headers == {**stored, "ce-sequence": "1"}
    assert event.headers["Nats-Msg-Id"] == event_id
    assert isinstance(decode(headers["ce-type"], event.data), RoomCreated)


async def test_a_wake_up_spares_the_wait_for_the_poll(
    state, emitter, outbox, booking_broker, run_relay, eventually
) -> None:
    emitter.outbox._wake = Waker(booking_broker, service="booking")
    async with run_relay(poll_seconds=3600):
        await emitter.commit()
        await eventually(state.published)
        await emitter.commit()
        await eventually(state.published)


async def test_two_relays_publish_each_number_once(
    state, emitter, bus, run_relay, booking_broker, stored_events, eventually
) -> None:
    other_broker = make_broker(bus.settings_for("booking"), service="booking")
    await start_broker(other_broker)
    async with connected_pool(state.settings, application_name="other") as other_pool:
        stop = asyncio.Event()
        other = asyncio.create_task(Relay(other_pool, other_broker, service="booking", poll_seconds=0.01).run(stop))
        async with run_relay(poll_seconds=0.01):
            for _ in range(60):
                await emitter.commit(20)
                await emitter.commit(5, aggregate="room/1")
            await eventually(state.published)
        stop.set()
        await other
    await other_broker.stop()
    await assert_each_number_once(state, await stored_events())


def on_bus(bus) -> dict[str, str]:
    return {"nats_url": bus.url, "seed_file": str(bus.seed_file("booking"))}


async def test_kill_9_in_the_middle_loses_and_doubles_nothing(
    state, emitter, bus, js, start_program, program_arguments, run_relay, relay_program, stored_events, eventually
) -> None:
    killed = await start_program(relay_program, program_arguments(**on_bus(bus)))
    writing = asyncio.create_task(commit_many(emitter, 2000))
    await eventually(lambda: stream_holds(js, 300))
    await killed.kill()
    await writing
    left = await state.pending()
    assert left > 0
    async with run_relay():
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())
    assert len(emitter.ids) == 2000


async def commit_many(emitter, count: int) -> None:
    for _ in range(count // 20):
        await emitter.commit(10)
        await emitter.commit(10, aggregate="room/1")


@pytest.mark.requirement("GW-06")
async def test_nats_killed_and_restarted_in_the_middle(
    state, emitter, bus, js, run_relay, nats_server, stored_events, eventually, lines
) -> None:
    async with run_relay(ack_timeout_seconds=2.0):
        writing = asyncio.create_task(commit_many(emitter, 2000))
        await eventually(lambda: stream_holds(js, 200))
        await asyncio.to_thread(nats_server.kill)
        await writing
        assert await state.pending() > 0
        await asyncio.to_thread(nats_server.restart)
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())
    relay_lines = [line for line in lines if "wait in the outbox" in line]
    assert len(relay_lines) <= 3, lines


@pytest.mark.requirement("GW-06")
async def test_nats_away_from_the_start(state, emitter, bus, nats_server, run_relay, eventually, lines) -> None:
    await asyncio.to_thread(nats_server.kill)
    async with run_relay(poll_seconds=0.02):
        await emitter.commit(10)
        await asyncio.sleep(0.5)
        assert await state.pending() == 10
        assert [line for line in lines if "outbox" in line and "WARNING" in line] == []
        await asyncio.to_thread(nats_server.restart)
        await eventually(state.published)


async def test_a_crash_between_ack_and_commit_publishes_nothing_twice(
    state, emitter, run_relay, js, stored_events, eventually
) -> None:
    await emitter.commit(50)
    await state.as_owner(
        "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'crash'; END $$",
        "CREATE TRIGGER crash BEFORE UPDATE ON outbox_cursor FOR EACH ROW EXECUTE FUNCTION crash()",
    )
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        async with run_relay() as relay:
            await eventually(lambda: stream_holds(js, 20))
            assert relay is not None
    assert await state.pending() == 50
    await state.as_owner("DROP TRIGGER crash ON outbox_cursor")
    async with run_relay():
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())


async def test_claims_of_a_hung_relay_end(
    state, emitter, bus, start_program, program_arguments, relay_program, run_relay, stored_events, eventually
) -> None:
    await emitter.commit(10)
    options = {"claim_seconds": 0.6, "ack_timeout_seconds": 0.5}
    hung = await start_program(relay_program, program_arguments(**on_bus(bus), hold=True, options=options))
    assert (await hung.line()).startswith("claimed")
    hung.signal(signal.SIGSTOP)
    async with run_relay(poll_seconds=0.05):
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())


def in_another_shard_than(subject: str) -> str:
    return next(f"room/{n}" for n in range(1, 1000) if shard_of(f"room/{n}") != shard_of(subject))


async def test_a_refused_event_stops_its_shard_and_no_other(
    state, emitter, outbox, js, run_relay, stored_events, eventually, lines
) -> None:
    identity = (await js.stream_info("IDENTITY")).config
    await js.delete_stream("IDENTITY")
    stuck, other = "room/1", in_another_shard_than("room/1")
    await emitter.commit(aggregate=stuck)
    async with outbox.transaction(state.pool) as tx:
        tx.emit(
            AccessDenied(person_id="p-1", action="read", client_address="192.0.2.1"), subject=stuck, actor="anonymous"
        )
    await emitter.commit(3, aggregate=stuck)
    async with run_relay(poll_seconds=0.02):
        for _ in range(5):
            await emitter.commit(aggregate=other)
        await eventually(lambda: pending_is(state, 4))
        assert await cursor(state, stuck) == 1
        assert [line for line in lines if "WARNING" in line] == [
            "WARNING events cannot be published and wait in the outbox no stream takes the subject"
        ]
        await js.add_stream(identity)
        await eventually(state.published)
        assert "INFO events are published again" in lines
    events = await stored_events() + await stored_events("IDENTITY")
    assert sorted((event.source, event.number) for event in events) == await state.numbers()


async def pending_is(state, count: int) -> bool:
    return await state.pending() == count


async def cursor(state, subject: str) -> int:
    return await state.pool.fetchval("SELECT published_number FROM outbox_cursor WHERE shard = $1", shard_of(subject))


@pytest.mark.requirement("EV-02")
async def test_a_full_stream_keeps_events_in_the_outbox(
    state, emitter, js, run_relay, stored_events, eventually, lines
) -> None:
    config = (await js.stream_info("BOOKING")).config
    await js.update_stream(StreamConfig(**{**config.__dict__, "max_msgs": 10}))
    await emitter.commit(40)
    async with run_relay(poll_seconds=0.02):
        await eventually(lambda: stream_holds(js, 10))
        await asyncio.sleep(1.0)
        assert await state.pending() == 30
        assert len([line for line in lines if "WARNING" in line]) == 1
        await js.update_stream(StreamConfig(**{**config.__dict__, "max_msgs": -1}))
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())


@pytest.mark.requirement("GW-06")
async def test_the_database_killed_and_restarted(
    state, emitter, postgres_server, run_relay, stored_events, eventually, lines
) -> None:
    await emitter.commit(100)
    async with run_relay(poll_seconds=0.02):
        await eventually(state.published)
        await asyncio.to_thread(postgres_server.kill)
        await eventually(lambda: said(lines, "waits for the database"))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(postgres_server.restart)
        await eventually(lambda: said(lines, "has the database back"))
        await emitter.commit(100)
        await eventually(state.published)
    assert len([line for line in lines if "waits for the database" in line]) == 1
    await assert_each_number_once(state, await stored_events())


async def said(lines: list[str], text: str) -> bool:
    return any(text in line for line in lines)


async def test_a_missing_number_is_never_skipped(state, emitter, run_relay, stored_events, eventually, lines) -> None:
    stuck, other = "room/1", in_another_shard_than("room/1")
    await emitter.commit(5, aggregate=stuck)
    await state.as_owner("DELETE FROM outbox_event WHERE number = 3")
    await emitter.commit(5, aggregate=other)
    async with run_relay(poll_seconds=0.02):
        await eventually(lambda: pending_is(state, 3))
        await eventually(lambda: said(lines, "a number is missing in the outbox"))
        assert await cursor(state, stuck) == 2
    assert len(await stored_events()) == 7


async def test_events_of_several_days_are_published_in_order(
    state, emitter, run_relay, stored_events, eventually
) -> None:
    for ahead in (0, 1, 3, 40):  # the last has no partition of its own
        await state.as_owner(f"UPDATE outbox_shard SET last_day = last_day + {ahead}")
        await emitter.commit(2, aggregate="room/1")
    days = await state.pool.fetch("SELECT day FROM outbox_event ORDER BY number")
    assert len({row["day"] for row in days}) == 4
    assert all(before["day"] <= after["day"] for before, after in pairwise(days))
    async with run_relay():
        await eventually(state.published)
    await assert_each_number_once(state, await stored_events())


@pytest.fixture
def spans(monkeypatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(publish_spans, "_TRACER", provider.get_tracer("test"))
    return exporter


@pytest.mark.requirement("EV-07")
async def test_one_trace_goes_through_also_after_a_restart(
    state, emitter, run_relay, stored_events, eventually, spans
) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("request") as request:
        await emitter.commit()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01), run_relay():
            await asyncio.Event().wait()
    async with run_relay():
        await eventually(state.published)
    [event] = await stored_events()
    published = [span for span in spans.get_finished_spans() if span.status.is_unset]
    assert {span.name for span in published} == {"publish booking.room.created.v1"}
    assert {span.kind for span in published} == {SpanKind.PRODUCER}
    stored = await state.pool.fetchval("SELECT traceparent FROM outbox_event")
    assert {format(span.parent.span_id, "016x") for span in published} == {stored.split("-")[2]}
    of_header = [span for span in published if format(span.context.span_id, "016x") in event.headers["traceparent"]]
    assert len(of_header) == 1
    assert of_header[0].context.trace_id == request.get_span_context().trace_id
    assert of_header[0].attributes["messaging.message.id"] == event.event_id


@pytest.mark.requirement("EV-07")
async def test_an_unsampled_trace_is_passed_on_and_costs_no_span(
    state, emitter, run_relay, stored_events, eventually, spans
) -> None:
    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("test").start_as_current_span("request"):
        await emitter.commit()
    async with run_relay():
        await eventually(state.published)
    [event] = await stored_events()
    assert event.headers["traceparent"] == await state.pool.fetchval("SELECT traceparent FROM outbox_event")
    assert event.headers["traceparent"].endswith("-00")
    assert spans.get_finished_spans() == ()


@pytest.mark.requirement("GW-07")
async def test_a_stop_finishes_the_round_under_way(state, emitter, booking_broker, monkeypatch, stored_events) -> None:
    stop = asyncio.Event()
    publish = PipelinedPublisher.publish

    async def publish_after_the_stop(self, messages):
        stop.set()
        await asyncio.sleep(0.05)
        return await publish(self, messages)

    monkeypatch.setattr(PipelinedPublisher, "publish", publish_after_the_stop)
    await emitter.commit(5)
    await Relay(state.pool, booking_broker, service="booking").run(stop)
    assert await state.pending() == 0
    assert len(await stored_events()) == 5


async def test_claims_must_outlive_acknowledgements(state, booking_broker) -> None:
    with pytest.raises(ValueError, match="claim_seconds"):
        Relay(state.pool, booking_broker, service="booking", ack_timeout_seconds=5, claim_seconds=5)
