"""Trace context in and out of headers and database rows (W3C Trace Context; baggage is neither sent nor believed)."""

import secrets
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT: Final = "traceparent"
"""Header and column name. Source: W3C Trace Context, section 3.2."""

PROPAGATOR: Final = TraceContextTextMapPropagator()


def tracer(name: str) -> Tracer:
    """Return the tracer of a module; it may be taken before `observed` and works from then on."""
    return trace.get_tracer(name)


def current_traceparent() -> str | None:
    """Return the current span as a `traceparent`, or None outside of any span.

    Its flags end in `01` or `00`, sampled or not, and hold nothing else (version 1 of the standard).
    """
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def current_trace_id() -> str | None:
    """Return the trace id as 32 hex digits, or None outside of any span."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def unrecorded() -> Iterator[None]:
    """Record nothing of the block, here and wherever its context is sent: for what asks again and again.

    Traces that show a person's work would drown in it.
    """
    nobody = SpanContext(secrets.randbits(127) + 1, secrets.randbits(63) + 1, is_remote=False, trace_flags=TraceFlags())
    with trace.use_span(NonRecordingSpan(nobody)):
        yield


def context_from(traceparent: str | None) -> Context:
    """Return a context whose parent is the given one and nothing else; an empty one when it is missing or bad."""
    return extract({TRACEPARENT: traceparent}) if traceparent else Context()


def extract(headers: Mapping[str, str]) -> Context:
    """Return the context of received headers, independent of the current one."""
    return PROPAGATOR.extract(headers, context=Context())


def inject(headers: MutableMapping[str, str], context: Context | None = None) -> None:
    """Add the current (or given) span's context to headers about to be sent; nothing outside of any span."""
    PROPAGATOR.inject(headers, context=context)
