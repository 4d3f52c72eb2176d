"""Trace context through headers and rows."""

import pytest
from opentelemetry import trace

from yoyaku.observability.testing import recorded_spans
from yoyaku.observability.tracing import context_from, current_trace_id, current_traceparent, extract, inject, tracer

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_of_any_span_there_is_nothing() -> None:
    headers: dict[str, str] = {}
    inject(headers)
    assert (current_traceparent(), current_trace_id(), headers) == (None, None, {})


@pytest.mark.requirement("EV-07")
def test_a_stored_traceparent_is_the_parent_of_the_next_span() -> None:
    with recorded_spans() as spans:
        with tracer("test").start_as_current_span("request"):
            stored = current_traceparent()
            headers: dict[str, str] = {}
            inject(headers)
        with (
            tracer("test").start_as_current_span("unrelated"),
            tracer("test").start_as_current_span("publish", context=context_from(stored)),
        ):
            assert current_trace_id() == stored.split("-")[1]
    request, publish = (next(span for span in spans if span.name == name) for name in ("request", "publish"))
    assert headers["traceparent"].rpartition("-")[0] == stored.rpartition("-")[0]
    assert stored.endswith("-01")
    assert publish.parent.span_id == request.context.span_id
    assert publish.parent.is_remote


@pytest.mark.parametrize("bad", [None, "", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", PARENT[:-4]])
def test_a_missing_or_malformed_parent_begins_a_new_trace(bad) -> None:
    with recorded_spans() as spans, tracer("test").start_as_current_span("outer"):
        with tracer("test").start_as_current_span("inner", context=context_from(bad)):
            pass
        assert spans[0].parent is None


def test_baggage_is_not_believed() -> None:
    context = extract({"traceparent": PARENT, "baggage": "user=admin"})
    assert trace.get_current_span(context).get_span_context().trace_id == int(PARENT.split("-")[1], 16)
    assert len(context) == 1
