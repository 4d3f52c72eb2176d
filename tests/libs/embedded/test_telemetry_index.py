import os

from yoyaku.embedded.telemetry_index import (
    LogIndex,
    MetricIndex,
    SeriesKey,
    StoredLog,
    StoredSpan,
    TraceIndex,
)


def span(name: str = "work", *, service: str = "booking", parent: bytes = b"", size_bytes: int = 300) -> StoredSpan:
    return StoredSpan(service, name, parent, 1_000, 2_000, failed=False, encoded=b"x" * size_bytes)


def index(limit_bytes: int = 100_000) -> TraceIndex:
    return TraceIndex(limit_bytes=limit_bytes, trace_limit_bytes=limit_bytes // 4)


def test_memory_stays_under_the_limit_and_whole_old_traces_go() -> None:
    traces = index()
    ids = [os.urandom(16) for _ in range(500)]
    for trace_id in ids:
        for _ in range(3):
            traces.add(trace_id, os.urandom(8), span())
            assert traces.cost_bytes <= 100_000
    held = [trace.trace_id for trace in traces.newest()]
    assert held == ids[-len(held) :][::-1]
    assert all(len(trace.spans) == 3 for trace in traces.newest())
    assert traces.evicted_traces == 500 - len(held)
    assert traces.evicted_spans == 3 * traces.evicted_traces


def test_a_trace_that_still_receives_spans_outlives_silent_ones() -> None:
    traces = index()
    for _ in range(500):
        traces.add(b"a" * 16, b"same-one", span())
        traces.add(os.urandom(16), os.urandom(8), span())
    assert traces.get(b"a" * 16) is not None


def test_one_trace_cannot_take_everything() -> None:
    traces = index()
    traces.add(b"n" * 16, b"neighbor", span())
    taken = [traces.add(b"a" * 16, os.urandom(8), span()) for _ in range(1000)]
    assert False in taken
    assert traces.get(b"n" * 16) is not None
    found = traces.get(b"a" * 16)
    assert found is not None
    assert found.refused_spans == traces.refused_spans == taken.count(False)


def test_a_span_sent_twice_is_held_once() -> None:
    traces = index()
    traces.add(b"a" * 16, b"8 bytes!", span())
    cost_bytes = traces.cost_bytes
    traces.add(b"a" * 16, b"8 bytes!", span())
    assert (traces.span_count(), traces.cost_bytes) == (1, cost_bytes)


def test_filters_by_service_and_name() -> None:
    traces = index()
    traces.add(b"a" * 16, b"1", span("POST /rooms"))
    traces.add(b"b" * 16, b"1", span("append", service="audit-log"))
    assert [t.trace_id for t in traces.newest(service="audit-log")] == [b"b" * 16]
    assert [t.trace_id for t in traces.newest(name="/rooms")] == [b"a" * 16]
    assert not list(traces.newest(service="audit-log", name="/rooms"))


def test_a_trace_whose_only_span_was_refused_is_not_shown() -> None:
    traces = index()
    assert not traces.add(b"a" * 16, b"1", span(size_bytes=90_000))
    assert traces.get(b"a" * 16) is None


def test_logs_stay_under_the_limit_oldest_first_out() -> None:
    logs = LogIndex(limit_bytes=10_000)
    for number in range(200):
        logs.add(StoredLog("booking", bytes([number % 3]) * 16, str(number).encode() * 20))
        assert logs.cost_bytes <= 10_000
    held = [int(record.encoded[: len(record.encoded) // 20]) for record in logs.newest()]
    assert held == list(range(199, 199 - len(held), -1))
    assert logs.evicted == 200 - len(held)
    by_trace = [record for number in range(3) for record in logs.of_trace(bytes([number]) * 16)]
    assert len(by_trace) == len(logs)


def test_metrics_keep_the_latest_point_and_give_up_the_series_silent_longest() -> None:
    metrics = MetricIndex(limit_bytes=10_000)
    steady = SeriesKey("booking", "1", "yoyaku.outbox.pending", "{}")
    for number in range(200):
        metrics.put(steady, str(number).encode())
        metrics.put(SeriesKey("booking", "1", f"other.{number}", "{}"), b"1" * 100)
        assert metrics.cost_bytes <= 10_000
    assert dict(metrics.select(name="outbox")) == {steady: b"199"}
    assert metrics.evicted == 201 - len(metrics)
