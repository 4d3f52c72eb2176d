"""Handling one batch: calling the handler, finding the event that fails, and carrying out what becomes of it.

The handler does all of a batch or nothing. A batch that fails is halved until what fails stands alone, so a poison
event costs its neighbours a few more calls and nothing else. Invariant: an event is acknowledged only after its
handler returned or DEAD_LETTERS has it; in every other case it goes back to its stream.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from loguru import logger
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from yoyaku.messaging import telemetry
from yoyaku.messaging.dead_letters import bury
from yoyaku.messaging.outcomes import DeadLetter, Reject, RetryPolicy, decide, pauses
from yoyaku.messaging.pull import give_back
from yoyaku.messaging.received import ReceivedEvent, UnknownVersionError, UnreadableEventError, receive
from yoyaku.messaging.topology import ConsumerSpec
from yoyaku.observability.tracing import TRACEPARENT, context_from, tracer

Handler: TypeAlias = Callable[[Sequence[ReceivedEvent]], Awaitable[None]]

PAUSE_FIRST_SECONDS: Final = 0.1
PAUSE_LONGEST_SECONDS: Final = 5.0
_REMEMBERED_FAILURES: Final = 10_000


class _StoppedError(Exception):
    """Stopping was asked for; what is not handled yet goes back."""


@dataclass(eq=False, slots=True)
class _Delivery:
    """One event on its way through its handling; `open` until its outcome was carried out."""

    message: Msg
    event: ReceivedEvent
    span: Span
    consumer: str
    open: bool = True

    @property
    def labels(self) -> dict[str, str]:
        event = self.event
        known = event.envelope is not None and not event.unknown_type
        return {
            "stream": event.stream,
            "consumer": self.consumer,
            "type": event.type if known else "unknown",
        }


class BatchHandling:
    """Handles the batches of one consumer, one at a time."""

    def __init__(
        self,
        spec: ConsumerSpec,
        handler: Handler,
        *,
        accepts_unreadable: bool,
        policy: RetryPolicy,
        js: JetStreamContext,
    ) -> None:
        self.paused_since: datetime | None = None
        self.problem: str | None = None
        self.stopping = asyncio.Event()
        self._spec = spec
        self._handler = handler
        self._accepts_unreadable = accepts_unreadable
        self._policy = policy
        self._js = js
        self._tracer = tracer(telemetry.SCOPE)
        self._failures: OrderedDict[int, int] = OrderedDict()
        self._in_hand: list[_Delivery] = []

    @property
    def in_hand(self) -> list[Msg]:
        """List the messages whose outcome is open."""
        return [delivery.message for delivery in self._in_hand if delivery.open]

    async def handle(self, messages: Sequence[Msg]) -> None:
        """Handle a batch to the end: every message is acknowledged, dead-lettered or given back when this returns."""
        deliveries = self._in_hand = [self._receive(message) for message in messages]
        try:
            readable = [d for d in deliveries if d.event.problem is None or self._accepts_unreadable]
            await self._handle(readable)
            for delivery in deliveries:
                if delivery.open:
                    await self._refuse_unreadable(delivery)
        except _StoppedError:
            logger.bind(consumer=self._spec.durable, events=len(self.in_hand)).info("events given back at shutdown")
        finally:
            for delivery in deliveries:
                await self._close(delivery)
            self._in_hand = []

    def _receive(self, message: Msg) -> _Delivery:
        parent = context_from((message.headers or {}).get(TRACEPARENT))
        span: Span = trace.INVALID_SPAN

        def start_handling(event_type: str) -> Context:
            nonlocal span
            above = trace.get_current_span(parent)
            known = above.get_span_context()
            if known.is_valid and not known.trace_flags.sampled:
                # The sampler follows its parent: a span of our own would record nothing, and costs CPU all the same.
                span = above
                return parent
            span = self._tracer.start_span(f"process {event_type}", context=parent, kind=SpanKind.CONSUMER)
            return trace.set_span_in_context(span, parent)

        event = receive(message, start_handling)
        if span.is_recording():
            span.set_attributes(self._attributes(event))
        return _Delivery(message, event, span, self._spec.durable)

    def _attributes(self, event: ReceivedEvent) -> dict[str, str | int]:
        return {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.name": event.subject,
            "messaging.consumer.group.name": self._spec.durable,
            "messaging.message.id": event.envelope.id if event.envelope is not None else "",
            "messaging.message.body.size": len(event.data),
            "messaging.nats.stream": event.stream,
            "messaging.nats.consumer": self._spec.durable,
            "messaging.nats.stream_sequence": event.stream_sequence,
            "messaging.nats.delivered_count": event.delivered_count,
        }

    async def _handle(self, deliveries: Sequence[_Delivery]) -> None:
        if not deliveries:
            return
        error = await self._attempt(deliveries)
        if error is None:
            for delivery in deliveries:
                await self._acknowledge(delivery)
        elif len(deliveries) == 1:
            await self._failed(deliveries[0], error)
        else:
            middle = len(deliveries) // 2
            await self._handle(deliveries[:middle])
            await self._handle(deliveries[middle:])

    async def _attempt(self, deliveries: Sequence[_Delivery]) -> Exception | None:
        """Call the handler until it gives a result that is the events' own; waits while a dependency is away."""
        events = [delivery.event for delivery in deliveries]
        pause_seconds = PAUSE_FIRST_SECONDS
        while True:
            if self.stopping.is_set():
                raise _StoppedError
            started = time.perf_counter()
            active = trace.use_span(deliveries[0].span, record_exception=False, set_status_on_exception=False)
            try:
                with active if len(deliveries) == 1 else nullcontext():
                    await self._handler(events)
            except Exception as error:  # noqa: BLE001  whatever a handler raises is an outcome
                if not pauses(error):
                    return error
                self._note_pause(error)
            else:
                self._note_handled(deliveries, time.perf_counter() - started)
                return None
            await self._pause(pause_seconds)
            pause_seconds = min(pause_seconds * 2, PAUSE_LONGEST_SECONDS)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * random.uniform(0.75, 1.25)):  # noqa: S311  jitter, no secret
                await self.stopping.wait()
        except TimeoutError:
            return

    def _note_pause(self, error: Exception) -> None:
        if self.paused_since is None:
            self.paused_since = datetime.now(UTC)
            self.problem = f"waits for a dependency: {type(error).__name__}"
            bound = logger.bind(consumer=self._spec.durable, error=type(error).__name__)
            bound.warning("consumption paused until a dependency is back")

    def _note_handled(self, deliveries: Sequence[_Delivery], seconds: float) -> None:
        if self.paused_since is not None:
            logger.bind(consumer=self._spec.durable).info("consumption goes on")
        self.paused_since = self.problem = None
        now = datetime.now(UTC)
        calls: dict[tuple[str, bool], dict[str, str]] = {}
        for delivery in deliveries:
            kind = (delivery.event.type, delivery.event.unknown_type)
            labels = calls.get(kind)
            if labels is None:
                labels = calls[kind] = delivery.labels
            if delivery.event.envelope is not None:
                telemetry.event_age.record(max(0.0, (now - delivery.event.envelope.time).total_seconds()), labels)
        for labels in {labels["type"]: labels for labels in calls.values()}.values():
            telemetry.handle_duration.record(seconds, labels)

    async def _acknowledge(self, delivery: _Delivery) -> None:
        self._failures.pop(delivery.event.stream_sequence, None)
        delivery.open = False
        try:
            await delivery.message.ack()
        except Error as error:
            # The event was handled; it comes again after its ack timeout, and its handler knows it.
            bound = logger.bind(consumer=self._spec.durable, error=type(error).__name__)
            bound.warning("an acknowledgement could not be sent")

    async def _refuse_unreadable(self, delivery: _Delivery) -> None:
        problem = delivery.event.problem or "unreadable"
        if delivery.event.unknown_type:
            await self._failed(delivery, UnknownVersionError(problem))
        else:
            await self._bury(delivery, f"unreadable: {problem}", UnreadableEventError(problem))

    async def _failed(self, delivery: _Delivery, error: Exception) -> None:
        event = delivery.event
        attempt = self._count_failure(event.stream_sequence)
        outcome = decide(
            error,
            attempt=attempt,
            delivered_count=event.delivered_count,
            max_deliver=self._spec.max_deliver,
            policy=self._policy,
        )
        delivery.span.record_exception(error)
        delivery.span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        if isinstance(outcome, DeadLetter):
            unknown = isinstance(error, UnknownVersionError)
            await self._bury(delivery, f"unreadable: {error}" if unknown else outcome.reason, error)
            return
        bound = logger.bind(
            consumer=self._spec.durable,
            event_id=event.envelope.id if event.envelope is not None else None,
            event_type=event.type,
            attempt=attempt,
            delay_seconds=round(outcome.delay_seconds, 3),
        )
        bound.opt(exception=error).warning("event handling failed, to be retried")
        telemetry.retries.add(1, delivery.labels)
        delivery.open = False
        await give_back(delivery.message, delay_seconds=outcome.delay_seconds)

    def _count_failure(self, sequence: int) -> int:
        attempt = self._failures[sequence] = self._failures.pop(sequence, 0) + 1
        while len(self._failures) > _REMEMBERED_FAILURES:
            self._failures.popitem(last=False)
        return attempt

    async def _bury(self, delivery: _Delivery, reason: str, error: Exception) -> None:
        """Put the event into DEAD_LETTERS, then acknowledge it; without the former it goes back for another try."""
        event = delivery.event
        bound = logger.bind(
            consumer=self._spec.durable,
            event_id=event.envelope.id if event.envelope is not None else None,
            event_type=event.type,
            stream_sequence=event.stream_sequence,
            reason=reason,
        )
        delivery.span.set_status(Status(StatusCode.ERROR, "dead letter"))
        delivery.span.add_event("dead letter", {"reason": reason})
        try:
            await bury(self._js, delivery.message, self._spec, reason=reason, error=error)
        except (Error, TimeoutError) as refused:
            bound.opt(exception=refused).error("dead letter could not be stored, the event goes back")
            self.problem = "dead letters cannot be stored"
            delivery.open = False
            await give_back(delivery.message, delay_seconds=self._policy.max_delay_seconds)
            return
        bound.opt(exception=None if isinstance(error, Reject) else error).error("event became a dead letter")
        telemetry.dead_letters.add(1, delivery.labels)
        await self._acknowledge(delivery)

    async def _close(self, delivery: _Delivery) -> None:
        if delivery.open:
            delivery.open = False
            delivery.span.add_event("given back")
            await give_back(delivery.message)
        delivery.span.end()
