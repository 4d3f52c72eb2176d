"""Trace context through headers and rows."""

import re
import subprocess
import sys

import pytest
from opentelemetry import trace

from yoyaku.observability.testing import recorded_spans
from yoyaku.observability.tracing import (
    context_from,
    current_trace_id,
    current_traceparent,
    extract,
    inject,
    tracer,
    unrecorded,
)

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


def test_what_asks_again_and_again_is_recorded_nowhere() -> None:
    headers: dict[str, str] = {}
    with recorded_spans() as spans:
        with unrecorded(), tracer("test").start_as_current_span("poll"):
            inject(headers)
        with tracer("test").start_as_current_span("answer", context=extract(headers)):
            assert current_trace_id() == headers["traceparent"].split("-")[1]
        with tracer("test").start_as_current_span("request"):
            pass
    assert headers["traceparent"].endswith("-00")
    assert [span.name for span in spans] == ["request"]


def test_without_any_recording_a_question_still_says_that_it_is_not_to_be_recorded() -> None:
    program = (
        "from yoyaku.observability.tracing import inject, tracer, unrecorded\n"
        "headers = {}\n"
        "with unrecorded(), tracer('test').start_as_current_span('poll'): inject(headers)\n"
        "print(headers['traceparent'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", done.stdout.strip())
