"""Events in: from the streams to the sequencer.

Invariant: every message is a fact that can be stored, so that none is ever given up; acknowledged after the commit.
What the log's own rows refuse is never an event's fault: the term ends, and the next one begins above them.
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
from yoyaku.audit_log.usecases.growing_tree import NoEpochError
from yoyaku.audit_log.usecases.ports import DamagedLogError
from yoyaku.audit_log.usecases.record_facts import RecordFacts, Recording
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outcomes import DependencyUnavailableError
from yoyaku.messaging.received import ReceivedEvent
from yoyaku.observability.tracing import TRACEPARENT
from yoyaku.postgres.errors import (
    ConstraintViolatedError,
    LockTimeoutError,
    PostgresError,
    SerializationError,
    StatementTimeoutError,
)
from yoyaku.tlog.errors import MalformedTileError

OPAQUE_FROM_DELIVERY: Final = 3
"""From this delivery on, an event that alone cannot be stored as one is stored as opaque bytes."""


_NOT_NULL: Final = "23502"
_CHECK: Final = "23514"
"""What refuses a value; all other constraints compare the log's own rows with each other."""


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

    def __init__(
        self,
        record: RecordFacts,
        on_leadership_lost: Callable[[LeadershipLostError], None],
        on_damaged: Callable[[Exception], None],
    ) -> None:
        """`on_damaged`: told of the log's own rows refusing what is recorded; it ends the term."""
        self._record = record
        self._on_damaged = on_damaged
        self._on_leadership_lost = on_leadership_lost
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, events: Sequence[ReceivedEvent]) -> None:
        """Record a batch; the events are acknowledged when this returns.

        Raises DependencyUnavailableError while the database cannot take it, once another process leads, and when the
        log's own rows are damaged: the events wait, and no attempt is spent.
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
            except (ConstraintViolatedError, DamagedLogError, MalformedTileError, NoEpochError) as damaged:
                if _is_of_the_fact(damaged):
                    raise
                self._on_damaged(damaged)
                raise DependencyUnavailableError("the log's own rows are damaged, a new term begins") from damaged
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
        except (LeadershipLostError, DamagedLogError, MalformedTileError, NoEpochError):
            raise
        except Exception as error:
            if isinstance(error, PostgresError) and not _is_of_the_fact(error):
                raise
            alone = len(events) == 1 and not passed_over and events[0].delivered_count >= OPAQUE_FROM_DELIVERY
            if not alone or facts[0].problem is not None:
                raise
            logger.opt(exception=error).bind(event_type=events[0].type).error("an event is kept as opaque bytes")
            facts[0] = _opaque(events[0], f"it could not be stored as an event: {type(error).__name__}")
            return await self._record_opaque(facts)

    async def _record_opaque(self, facts: Sequence[Fact]) -> Recording:
        """Record what can always be stored. Raises DamagedLogError when it cannot: then it is not the event's fault."""
        try:
            return await self._record(facts)
        except (PostgresError, LeadershipLostError, DamagedLogError, MalformedTileError) as error:
            if not _is_of_the_fact(error):
                raise
            raise DamagedLogError(f"opaque bytes cannot be stored: {error}") from error
        except Exception as error:
            raise DamagedLogError(f"opaque bytes cannot be stored: {type(error).__name__}") from error

    def _tell(self, recording: Recording) -> None:
        telemetry.entries.add(len(recording.placed), {"outcome": "recorded"})
        if recording.repeated:
            telemetry.entries.add(recording.repeated, {"outcome": "repeated"})
        if recording.contradicting:
            telemetry.entries.add(recording.contradicting, {"outcome": "contradicting"})
            logger.bind(contradicting=recording.contradicting).error("facts contradict the audit log")


def _is_of_the_fact(error: Exception) -> bool:
    """Tell whether a value was refused, rather than a row beside those that the log has."""
    if not isinstance(error, ConstraintViolatedError):
        return False
    # A partition that is not there is a check without a name, too.
    return error.sqlstate == _NOT_NULL or (error.sqlstate == _CHECK and error.constraint_name is not None)


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
