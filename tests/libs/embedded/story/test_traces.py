import pytest

from yoyaku.embedded.story.traces import chain_in
from yoyaku.embedded.telemetry_client import Span, Trace


def trace(*rows: tuple[str, str | None, str, str]) -> Trace:
    spans = tuple(
        Span(
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            kind="internal",
            service=service,
            start_unix_nano=number,
            end_unix_nano=number + 1,
            status="unset",
        )
        for number, (span_id, parent, service, name) in enumerate(rows)
    )
    return Trace(
        trace_id="a" * 32,
        root_name="",
        root_service="",
        start_unix_nano=0,
        duration_nano=9,
        span_count=len(spans),
        error_count=0,
        services=(),
        spans=spans,
    )


BOOKING = trace(
    ("1", None, "booking", "POST /api/v1/reservations"),
    ("2", "1", "booking", "booking.reservation.confirmed.v1 publish"),
    ("3", "2", "audit-log", "booking.reservation.confirmed.v1 process"),
)


@pytest.mark.parametrize(
    ("chain", "held"),
    [
        ([("booking", "POST"), ("audit-log", "confirmed")], True),
        ([("booking", "POST"), ("booking", "confirmed"), ("audit-log", "confirmed")], True),
        ([("audit-log", "confirmed"), ("booking", "POST")], False),
        ([("booking", "POST"), ("security-detector", "confirmed")], False),
    ],
)
def test_a_chain_of_spans_goes_down_the_tree_in_order(chain: list[tuple[str, str]], held: bool) -> None:
    assert (chain_in(BOOKING, chain) is not None) is held


def test_spans_side_by_side_are_no_chain() -> None:
    siblings = trace(
        ("1", None, "booking", "POST"), ("2", "1", "booking", "publish"), ("3", "1", "audit-log", "process")
    )
    assert chain_in(siblings, [("booking", "publish"), ("audit-log", "process")]) is None


def test_an_orphan_breaks_the_chain() -> None:
    cut = trace(("1", None, "booking", "POST"), ("3", "lost", "audit-log", "process"))
    assert chain_in(cut, [("booking", "POST"), ("audit-log", "process")]) is None
