"""What the telemetry store holds in memory: traces, log records and latest metric values, each under a byte limit.

Invariant: after every `add`, the estimated bytes held are at most the limit. The newest is kept: when room is
needed, the trace that has been silent longest goes as a whole, the oldest log record goes, the metric series not
reported for longest goes. Everything given up is counted. Estimates include the cost of Python's own objects.
"""

import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

SPAN_OVERHEAD_BYTES = 420
TRACE_OVERHEAD_BYTES = 600
LOG_OVERHEAD_BYTES = 400
SERIES_OVERHEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span as it arrived (`encoded`, protobuf), with what lists and filters need beside it."""

    service: str
    name: str
    parent_span_id: bytes
    start_unix_nano: int
    end_unix_nano: int
    failed: bool
    encoded: bytes

    @property
    def cost_bytes(self) -> int:
        """The estimated memory this span takes."""
        return len(self.encoded) + len(self.name) + len(self.service) + SPAN_OVERHEAD_BYTES


@dataclass(slots=True)
class StoredTrace:
    """The spans of one trace by span id; a span that is sent twice is held once."""

    trace_id: bytes
    spans: dict[bytes, StoredSpan] = field(default_factory=dict)
    cost_bytes: int = TRACE_OVERHEAD_BYTES
    refused_spans: int = 0

    @property
    def root(self) -> StoredSpan:
        """The span without a parent here, the earliest where there are several."""
        tops = [span for span in self.spans.values() if span.parent_span_id not in self.spans]
        return min(tops or self.spans.values(), key=lambda span: span.start_unix_nano)


class TraceIndex:
    """Traces in the order in which they last received a span."""

    def __init__(self, *, limit_bytes: int, trace_limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._trace_limit_bytes = min(trace_limit_bytes, limit_bytes // 2)
        self._traces: OrderedDict[bytes, StoredTrace] = OrderedDict()
        self.cost_bytes = 0
        self.evicted_traces = 0
        self.evicted_spans = 0
        self.refused_spans = 0

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, trace_id: bytes, span_id: bytes, span: StoredSpan) -> bool:
        """Hold the span; False when its trace is at its own limit (counted, and marked on the trace)."""
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = StoredTrace(trace_id)
            self.cost_bytes += trace.cost_bytes
        else:
            self._traces.move_to_end(trace_id)
        known = trace.spans.get(span_id)
        growth = span.cost_bytes - (known.cost_bytes if known else 0)
        if trace.cost_bytes + growth > self._trace_limit_bytes:
            trace.refused_spans += 1
            self.refused_spans += 1
            return False
        trace.spans[span_id] = span
        trace.cost_bytes += growth
        self.cost_bytes += growth
        self._make_room()
        return True

    def get(self, trace_id: bytes) -> StoredTrace | None:
        """Return a trace that holds spans."""
        trace = self._traces.get(trace_id)
        return trace if trace and trace.spans else None

    def newest(self, *, service: str | None = None, name: str | None = None) -> Iterator[StoredTrace]:
        """Yield traces, newest first, in which one span is of this service and has this text in its name."""
        for trace in reversed(self._traces.values()):
            if any(
                (service is None or span.service == service) and (name is None or name in span.name)
                for span in trace.spans.values()
            ):
                yield trace

    def span_count(self) -> int:
        """Count the spans of all traces."""
        return sum(len(trace.spans) for trace in self._traces.values())

    def _make_room(self) -> None:
        while self.cost_bytes > self._limit_bytes:
            _, oldest = self._traces.popitem(last=False)
            self.cost_bytes -= oldest.cost_bytes
            self.evicted_traces += 1
            self.evicted_spans += len(oldest.spans)


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One log record as it arrived; `trace_id` is empty for a record outside any trace."""

    service: str
    trace_id: bytes
    encoded: bytes

    @property
    def cost_bytes(self) -> int:
        """The estimated memory this record takes."""
        return len(self.encoded) + len(self.service) + LOG_OVERHEAD_BYTES


class LogIndex:
    """Log records, oldest first, also by trace."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._records: deque[StoredLog] = deque()
        self._by_trace: dict[bytes, deque[StoredLog]] = {}
        self.cost_bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: StoredLog) -> None:
        """Hold the record."""
        self._records.append(record)
        self._by_trace.setdefault(record.trace_id, deque()).append(record)
        self.cost_bytes += record.cost_bytes
        while self.cost_bytes > self._limit_bytes:
            self._evict_oldest()

    def of_trace(self, trace_id: bytes) -> list[StoredLog]:
        """Return the records of one trace in the order of arrival."""
        return list(self._by_trace.get(trace_id, ()))

    def newest(self, *, service: str | None = None) -> Iterator[StoredLog]:
        """Yield records, newest first."""
        return (record for record in reversed(self._records) if service is None or record.service == service)

    def _evict_oldest(self) -> None:
        oldest = self._records.popleft()
        same_trace = self._by_trace[oldest.trace_id]
        same_trace.popleft()
        if not same_trace:
            del self._by_trace[oldest.trace_id]
        self.cost_bytes -= oldest.cost_bytes
        self.evicted += 1


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What makes a metric series: two processes of one service have two."""

    service: str
    instance: str
    name: str
    attributes: str


class MetricIndex:
    """The latest point of each metric series, as compact JSON."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._points: OrderedDict[SeriesKey, bytes] = OrderedDict()
        self.cost_bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._points)

    def put(self, key: SeriesKey, point: bytes) -> None:
        """Hold the point as the latest of its series."""
        previous = self._points.pop(key, None)
        if previous is not None:
            self.cost_bytes -= _series_cost(key, previous)
        self._points[key] = point
        self.cost_bytes += _series_cost(key, point)
        while self.cost_bytes > self._limit_bytes:
            oldest, its_point = self._points.popitem(last=False)
            self.cost_bytes -= _series_cost(oldest, its_point)
            self.evicted += 1

    def select(self, *, service: str | None = None, name: str | None = None) -> Iterator[tuple[SeriesKey, bytes]]:
        """Yield the series of this service whose name has this text in it."""
        for key, point in self._points.items():
            if (service is None or key.service == service) and (name is None or name in key.name):
                yield key, point


def interned(text: str) -> str:
    """Return the one copy of a text that repeats in thousands of records; it goes when the last of them goes."""
    return sys.intern(text)


def _series_cost(key: SeriesKey, point: bytes) -> int:
    return len(key.attributes) + len(key.name) + len(key.instance) + len(point) + SERIES_OVERHEAD_BYTES
