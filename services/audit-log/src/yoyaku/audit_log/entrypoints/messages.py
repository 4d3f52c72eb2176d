"""Events in: from the streams to the sequencer.

Invariant: every message is a fact that can be stored, so that none is ever given up; acknowledged after the commit.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from loguru import logger
from opentelemetry import trace

from yoyaku.audit_log import telemetry
from yoyaku.audit_log.domain.fact import Fact, Origin, UnstorableFactError, is_recorded, readable_fact, unreadable_fact
from yoyaku.audit_log.domain.new_entry import PassedOver
from yoyaku.audit_log.usecases.record_facts import RecordFacts, Recording
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outcomes import DependencyUnavailableError
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.observability.tracing import TRACEPARENT
from yoyaku.postgres.errors import LockTimeoutError, PostgresError, SerializationError, StatementTimeoutError

OPAQUE_FROM_DELIVERY: Final = 3
"""From this delivery on, an event that alone cannot be stored as one is stored as opaque bytes."""


def to_fact(event: ReceivedEvent) -> Fact:
    """Make a fact of whatever was received; what is not a storable event becomes opaque bytes."""
    envelope = event.envelope
    problem = event.problem or "unreadable"
    if envelope is not None:
        try:
            return readable_fact(
                source=envelope.source,
                number=envelope.sequence,
                event_id=envelope.id,
                type=envelope.type,
                occurred_at=envelope.time,
                actor=envelope.actor,
                subject=envelope.subject,
                correlation_id=envelope.correlation_id,
                causation_id=envelope.causation_id,
                client_address=envelope.client_address,
                dataschema=envelope.dataschema,
                traceparent=event.headers.get(TRACEPARENT),
                body=event.data,
                headers=event.headers,
                origin=Origin(event.stream, event.stream_sequence),
            )
        except UnstorableFactError as unstorable:
            problem = str(unstorable)
    return _opaque(event, problem)


def _opaque(event: ReceivedEvent, problem: str) -> Fact:
    return unreadable_fact(
        origin=Origin(event.stream, event.stream_sequence),
        headers=event.headers,
        body=event.data,
        problem=problem,
        traceparent=event.headers.get(TRACEPARENT),
    )


class OnEvents:
    """The handler of all consumers: one batch at a time, since there is one head to append at."""

    def __init__(self, record: RecordFacts, on_leadership_lost: Callable[[LeadershipLostError], None]) -> None:
        self._record = record
        self._on_leadership_lost = on_leadership_lost
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, events: Sequence[ReceivedEvent]) -> None:
        """Record a batch; the events are acknowledged when this returns.

        Raises DependencyUnavailableError while the database cannot take it, and once another process leads: the
        events wait, and no attempt is spent.
        """
        recorded: list[ReceivedEvent] = []
        facts: list[Fact] = []
        passed_over: list[PassedOver] = []
        for event in events:
            fact = to_fact(event)
            if is_recorded(fact.type):
                recorded.append(event)
                facts.append(fact)
            else:
                passed_over.append(PassedOver(fact.source, fact.number, fact.type))
        async with self._one_at_a_time:
            started_ns = time.time_ns()
            started = time.perf_counter()
            try:
                recording = await self._append(recorded, facts, passed_over)
            except LeadershipLostError as lost:
                self._on_leadership_lost(lost)
                raise DependencyUnavailableError("another process leads") from lost
            except (LockTimeoutError, StatementTimeoutError, SerializationError) as busy:
                raise DependencyUnavailableError("the database is busy") from busy
            telemetry.append_duration.record(time.perf_counter() - started)
            ended_ns = time.time_ns()
        self._tell(recording)
        _draw_spans(recorded, facts, recording, started_ns, ended_ns)

    async def _append(
        self, events: Sequence[ReceivedEvent], facts: list[Fact], passed_over: Sequence[PassedOver]
    ) -> Recording:
        """Append; what fails alone, again and again, for a reason of its own is kept as opaque bytes instead."""
        try:
            return await self._record(facts, passed_over)
        except (PostgresError, LeadershipLostError):
            raise
        except Exception as error:
            alone = len(events) == 1 and not passed_over and events[0].delivered_count >= OPAQUE_FROM_DELIVERY
            if not alone or facts[0].problem is not None:
                raise
            logger.opt(exception=error).bind(event_type=events[0].type).error("an event is kept as opaque bytes")
            facts[0] = _opaque(events[0], f"it could not be stored as an event: {type(error).__name__}")
            return await self._record(facts)

    def _tell(self, recording: Recording) -> None:
        telemetry.entries.add(len(recording.placed), {"outcome": "recorded"})
        if recording.repeated:
            telemetry.entries.add(recording.repeated, {"outcome": "repeated"})
        if recording.contradicting:
            telemetry.entries.add(recording.contradicting, {"outcome": "contradicting"})
            logger.bind(contradicting=recording.contradicting).error("facts contradict the audit log")


def _draw_spans(
    events: Sequence[ReceivedEvent], facts: Sequence[Fact], recording: Recording, started_ns: int, ended_ns: int
) -> None:
    positions = {id(placed.fact): placed.position for placed in recording.placed}
    for event, fact in zip(events, facts, strict=True):
        if not trace.get_current_span(event.context).is_recording():
            continue
        span = telemetry.TRACER.start_span(telemetry.APPEND_SPAN, context=event.context, start_time=started_ns)
        span.set_attribute(telemetry.BATCH_ATTRIBUTE, len(events))
        position = positions.get(id(fact))
        if position is not None:
            span.set_attribute(telemetry.POSITION_ATTRIBUTE, position)
        span.end(end_time=ended_ns)
