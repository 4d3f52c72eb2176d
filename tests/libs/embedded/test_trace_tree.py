from yoyaku.embedded.telemetry_client import LogLine, Span, Trace
from yoyaku.embedded.trace_tree import SpanNode, grow


def span(span_id: str, parent: str | None = None, *, start: int = 0, name: str = "") -> Span:
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        name=name or span_id,
        kind="internal",
        service="booking",
        start_unix_nano=start,
        end_unix_nano=start + 10,
        status="unset",
    )


def trace(*spans: Span, logs: tuple[LogLine, ...] = ()) -> Trace:
    return Trace(
        trace_id="a" * 32,
        root_name="",
        root_service="",
        start_unix_nano=0,
        duration_nano=10,
        span_count=len(spans),
        error_count=0,
        services=("booking",),
        spans=spans,
        logs=logs,
    )


def shape(node: SpanNode) -> object:
    return {node.span.span_id: [shape(child) for child in node.children]}


def test_children_stand_under_their_parent_in_the_order_of_time() -> None:
    tree = grow(
        trace(span("late", "root", start=9), span("root"), span("early", "root", start=1), span("leaf", "late"))
    )
    assert [shape(root) for root in tree.roots] == [{"root": [{"early": []}, {"late": [{"leaf": []}]}]}]
    assert tree.orphans == []


def test_orphans_stand_under_the_parent_they_miss() -> None:
    tree = grow(trace(span("root"), span("one", "lost"), span("two", "lost"), span("below", "one")))
    [missing] = tree.orphans
    assert missing.span_id == "lost"
    assert [shape(node) for node in missing.children] == [{"one": [{"below": []}]}, {"two": []}]


def test_spans_that_are_each_others_parents_are_all_placed_once() -> None:
    tree = grow(trace(span("a", "b"), span("b", "a"), span("self", "self"), span("leaf", "a")))
    placed = [node.span.span_id for node in tree.walk()]
    assert sorted(placed) == ["a", "b", "leaf", "self"]


def test_log_lines_hang_at_their_span_or_loose() -> None:
    def line(span_id: str | None) -> LogLine:
        return LogLine(service="booking", time_unix_nano=1, severity="INFO", body=str(span_id), span_id=span_id)

    tree = grow(trace(span("root"), logs=(line("root"), line("unknown"), line(None))))
    assert [log.body for log in tree.roots[0].logs] == ["root"]
    assert [log.body for log in tree.loose_logs] == ["unknown", "None"]


def test_path_follows_names_downwards_with_gaps() -> None:
    tree = grow(
        trace(
            span("1", name="POST /reservations"),
            span("2", "1", name="transaction"),
            span("3", "2", name="publish confirmed"),
            span("4", "3", name="process confirmed"),
        )
    )
    found = tree.path("POST", "publish", "process")
    assert found is not None
    assert [step.span_id for step in found] == ["1", "3", "4"]
    assert tree.path("publish", "POST") is None
    assert tree.path("POST", "publish", "block") is None


def test_a_thousand_spans_in_one_line_are_walked() -> None:
    spans = [span(str(n), str(n - 1) if n else None) for n in range(1000)]
    assert [node.span.span_id for node in grow(trace(*spans)).walk()] == [str(n) for n in range(1000)]
