from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, set_span_in_context

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.new_entry import PassedOver
from yoyaku.audit_log.domain.sequence import FactDigest, Placed
from yoyaku.audit_log.entrypoints.messages import OPAQUE_FROM_DELIVERY, OnEvents, to_fact
from yoyaku.audit_log.usecases.ports import DamagedLogError
from yoyaku.audit_log.usecases.record_facts import Recording
from yoyaku.contracts.envelope import Envelope
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outcomes import DependencyUnavailableError
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.postgres.errors import ConstraintViolatedError, DatabaseUnavailableError, LockTimeoutError
from yoyaku.tlog.errors import MalformedTileError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def envelope(number: int, **changes: Any) -> Envelope:
    given: dict[str, Any] = {
        "id": f"e-{number}",
        "source": "/booking/07",
        "type": "booking.room.created.v1",
        "time": NOON,
        "subject": "room/1",
        "sequence": number,
        "actor": "person/1",
        "correlation_id": "c",
        "causation_id": None,
        "client_address": None,
        "dataschema": "s",
    }
    return Envelope(**(given | changes))


def received(number: int, *, delivered: int = 1, **changes: Any) -> ReceivedEvent:
    given: dict[str, Any] = {
        "envelope": envelope(number),
        "problem": None,
        "headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        "data": b"{}",
        "subject": "booking.room.created.v1",
        "stream": "BOOKING",
        "stream_sequence": number,
        "delivered_count": delivered,
        "received_at": NOON,
        "context": set_span_in_context(trace.INVALID_SPAN),
    }
    return ReceivedEvent(**(given | changes))


class Recorder:
    """Stands where RecordFacts does: places everything, or raises."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[Fact]] = []
        self.passed_over: list[PassedOver] = []

    async def __call__(self, facts: Sequence[Fact], passed_over: Sequence[PassedOver] = ()) -> Recording:
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(list(facts))
        self.passed_over += passed_over
        return Recording([Placed(40 + index, fact, FactDigest(b"")) for index, fact in enumerate(facts)], NOON, 0, 0)


def handler(
    recorder: Recorder, lost: list[LeadershipLostError] | None = None, damaged: list[Exception] | None = None
) -> OnEvents:
    lost, damaged = lost if lost is not None else [], damaged if damaged is not None else []
    return OnEvents(recorder, lost.append, damaged.append)  # type: ignore[arg-type]


@pytest.mark.requirement("AU-01")
def test_an_event_is_a_fact_with_its_own_number() -> None:
    fact = to_fact(received(5, data=b"anything"))
    assert (fact.source, fact.number, fact.event_id, fact.body) == ("/booking/07", 5, "e-5", b"anything")
    assert fact.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert fact.problem is None


@pytest.mark.parametrize(
    "changes",
    [
        {"envelope": None, "problem": "ce-id: it is missing"},
        {"envelope": envelope(5, subject="a\x00b")},
        {"envelope": envelope(5, source="/" + "s" * 300)},
        {"envelope": envelope(5, id="i" * 200)},
        {"envelope": envelope(5, source="/unreadable/BOOKING")},
    ],
)
@pytest.mark.requirement("AU-01", "EV-05")
def test_what_cannot_be_kept_as_an_event_is_opaque(changes: dict[str, Any]) -> None:
    fact = to_fact(received(5, **changes))
    assert (fact.source, fact.number, fact.body) == ("/unreadable/BOOKING", 5, b"{}")
    assert fact.problem


@pytest.mark.requirement("AU-01")
async def test_checkpoint_facts_are_passed_over() -> None:
    recorder = Recorder()
    checkpoint = received(1, envelope=envelope(1, type="audit.checkpoint.signed.v1"))
    await handler(recorder)([checkpoint, received(2)])
    assert [[fact.number for fact in batch] for batch in recorder.batches] == [[2]]
    assert recorder.passed_over == [PassedOver("/booking/07", 1, "audit.checkpoint.signed.v1")]


@pytest.mark.requirement("EV-05", "BC-06")
async def test_lost_leadership_pauses_and_is_told() -> None:
    lost: list[LeadershipLostError] = []
    with pytest.raises(DependencyUnavailableError):
        await handler(Recorder(LeadershipLostError("sequencer", 3)), lost)([received(1)])
    assert [error.epoch for error in lost] == [3]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (LockTimeoutError("busy"), DependencyUnavailableError),
        (DatabaseUnavailableError("away"), DatabaseUnavailableError),
        (ValueError("odd"), ValueError),
    ],
)
@pytest.mark.requirement("EV-05")
async def test_what_the_database_cannot_do_now_spends_no_attempt(error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        await handler(Recorder(error))([received(1)])


@pytest.mark.requirement("EV-05", "AU-01")
async def test_what_fails_alone_again_and_again_is_kept_as_opaque_bytes() -> None:
    recorder = Recorder(ValueError("odd"))
    await handler(recorder)([received(8, delivered=OPAQUE_FROM_DELIVERY)])
    (batch,) = recorder.batches
    assert (batch[0].source, batch[0].number) == ("/unreadable/BOOKING", 8)
    with pytest.raises(ValueError, match="odd"):
        await handler(Recorder(ValueError("odd")))([received(8, delivered=OPAQUE_FROM_DELIVERY), received(9)])


@pytest.mark.parametrize(
    "error",
    [
        ConstraintViolatedError("audit_recorded_position", "23505"),
        ConstraintViolatedError(None, "23000"),
        ConstraintViolatedError(None, "23514"),
        DamagedLogError("the head row is missing"),
        MalformedTileError("a tile is gone"),
    ],
)
@pytest.mark.requirement("EV-05", "AU-01")
async def test_what_the_logs_own_rows_refuse_is_no_events_fault_and_ends_the_term(error: Exception) -> None:
    damaged: list[Exception] = []
    with pytest.raises(DependencyUnavailableError):
        await handler(Recorder(error), damaged=damaged)([received(1, delivered=OPAQUE_FROM_DELIVERY)])
    assert damaged == [error]


@pytest.mark.requirement("EV-05", "AU-01")
async def test_a_refused_value_is_the_events_own_and_is_kept_as_opaque_bytes() -> None:
    refused = ConstraintViolatedError("audit_entry_number_check", "23514")
    with pytest.raises(ConstraintViolatedError):
        await handler(Recorder(refused))([received(8)])
    recorder, damaged = Recorder(refused), list[Exception]()
    await handler(recorder, damaged=damaged)([received(8, delivered=OPAQUE_FROM_DELIVERY)])
    assert recorder.batches[0][0].source == "/unreadable/BOOKING"
    assert not damaged
    # Opaque bytes can always be stored: where they cannot, it is the log that is damaged.
    for error in (refused, ValueError("odd")):
        with pytest.raises(DependencyUnavailableError):
            await handler(Recorder(error, error), damaged=damaged)([received(8, delivered=OPAQUE_FROM_DELIVERY)])
    assert len(damaged) == 2


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[InMemorySpanExporter, Callable[[], Span]]]:
    """What was drawn, and a way to begin the span of an event's handling."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    monkeypatch.setattr(telemetry, "TRACER", tracer)
    yield exporter, lambda: tracer.start_span("process")
    provider.shutdown()


@pytest.mark.requirement("EV-07")
async def test_each_event_has_its_append_in_its_own_trace(spans: Any) -> None:
    exporter, begin = spans
    processing = [begin(), begin()]
    events = [received(index, context=set_span_in_context(span)) for index, span in enumerate(processing, 1)]
    await handler(Recorder())([*events, received(3)])
    drawn = {span.parent.span_id: span for span in exporter.get_finished_spans()}
    assert set(drawn) == {span.get_span_context().span_id for span in processing}
    for index, span in enumerate(processing):
        append = drawn[span.get_span_context().span_id]
        assert append.name == "append entry"
        assert append.attributes["yoyaku.audit.position"] == 40 + index
        assert append.start_time <= append.end_time
