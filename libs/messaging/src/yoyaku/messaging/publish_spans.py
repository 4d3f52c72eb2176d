"""PRODUCER spans of the relay: the link between the transaction that emitted an event and those who consume it (EV-07).

The trace context comes from the row, not from the running task, so a trace goes on where it was left, also in another
process and after a restart. An event whose trace was not sampled costs nothing: its context is passed on as it is.
"""

from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from yoyaku.messaging import telemetry
from yoyaku.messaging.publishing import Outcome

TRACEPARENT: Final = "traceparent"

_TRACER = trace.get_tracer(telemetry.SCOPE)
_NOT_SAMPLED: Final = "-00"


def start_publish_span(event_type: str, event_id: str, source: str, number: int, stored: str | None) -> Span | None:
    """Open the span `publish <type>` as child of the stored traceparent; None when its trace is not sampled."""
    if stored is not None and stored.endswith(_NOT_SAMPLED):
        return None
    return _TRACER.start_span(
        f"publish {event_type}",
        context=_context(stored),
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "nats",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": event_type,
            "messaging.message.id": event_id,
            "yoyaku.event.source": source,
            "yoyaku.event.number": number,
        },
    )


def traceparent_of(span: Span) -> str:
    """Write a span's context as a W3C traceparent header."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def end_publish_span(span: Span, outcome: Outcome) -> None:
    """Close the span with what became of the message."""
    if span.is_recording():
        if outcome.failure is not None:
            span.set_status(Status(StatusCode.ERROR, outcome.failure))
        elif outcome.duplicate:
            span.set_attribute("yoyaku.event.duplicate", True)
    span.end()


def _context(traceparent: str | None) -> Context:
    """Rebuild the stored context; an empty one, which begins a new trace, where none was stored."""
    if traceparent is None:
        return Context()
    _, trace_id, span_id, flags = traceparent.split("-")
    remote = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())
