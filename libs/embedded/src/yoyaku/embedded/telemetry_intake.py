"""Takes OTLP request bodies into the indexes, and answers questions from them: the telemetry store without HTTP.

Invariant: a body is either read to its end or changes nothing. Single records that break the protocol (no trace
id, too large, unreadable) are left out and counted; the answer to the sender says how many.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from yoyaku.embedded.telemetry_index import (
    LogIndex,
    MetricIndex,
    SeriesKey,
    StoredLog,
    StoredSpan,
    TraceIndex,
    interned,
)
from yoyaku.embedded.telemetry_json import (
    UNKNOWN_SERVICE,
    log_json,
    metric_points,
    resource_identity,
    summary_json,
    trace_json,
)
from yoyaku.embedded.telemetry_wire import MalformedRequestError, Record, Walker

_MIB = 1024 * 1024
MAX_PARTS_PER_REQUEST = 200_000
MAX_RECORD_BYTES = 64 * 1024
MAX_METRIC_BYTES = 256 * 1024
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the store may hold, in estimated bytes of memory."""

    traces_bytes: int = 18 * _MIB
    one_trace_bytes: int = 2 * _MIB
    logs_bytes: int = 6 * _MIB
    metrics_bytes: int = 3 * _MIB


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one body: records held, records left out."""

    taken: int
    left_out: int


class TelemetryIntake:
    """The three indexes and the counts of what came in."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._traces = TraceIndex(limit_bytes=self.limits.traces_bytes, trace_limit_bytes=self.limits.one_trace_bytes)
        self._logs = LogIndex(limit_bytes=self.limits.logs_bytes)
        self._metrics = MetricIndex(limit_bytes=self.limits.metrics_bytes)
        self._counts = {
            f"{signal}_{what}": 0 for signal in ("spans", "logs", "points") for what in ("taken", "left_out")
        }

    def take_traces(self, body: bytes) -> Accepted:
        """Hold the spans of an ExportTraceServiceRequest. Raises MalformedRequestError, TooManyPartsError."""
        parsed = list(_parsed(body, MAX_RECORD_BYTES, _span))
        taken = sum(found is not None and self._traces.add(*found) for found in parsed)
        return self._counted("spans", taken, len(parsed))

    def take_logs(self, body: bytes) -> Accepted:
        """Hold the records of an ExportLogsServiceRequest. Raises MalformedRequestError, TooManyPartsError."""
        parsed = list(_parsed(body, MAX_RECORD_BYTES, _log))
        for record in parsed:
            if record is not None:
                self._logs.add(record)
        return self._counted("logs", sum(record is not None for record in parsed), len(parsed))

    def take_metrics(self, body: bytes) -> Accepted:
        """Hold the latest points of an ExportMetricsServiceRequest. Raises MalformedRequestError, TooManyPartsError."""
        parsed = list(_parsed(body, MAX_METRIC_BYTES, _series))
        for series in parsed:
            for key, point in series or ():
                self._metrics.put(key, point)
        return self._counted("points", sum(series is not None for series in parsed), len(parsed))

    def trace(self, trace_id: bytes) -> dict[str, Any] | None:
        """Return one trace with its log records."""
        found = self._traces.get(trace_id)
        return trace_json(found, self._logs.of_trace(trace_id)) if found else None

    def traces(self, *, service: str | None, name: str | None, limit: int) -> list[dict[str, Any]]:
        """Return summaries of traces, newest first."""
        return [summary_json(trace) for trace in islice(self._traces.newest(service=service, name=name), limit)]

    def logs(self, *, trace_id: bytes | None, service: str | None, limit: int) -> list[dict[str, Any]]:
        """Return log records of a trace in order, or the newest of all."""
        if trace_id is not None:
            return [log_json(record) for record in self._logs.of_trace(trace_id)[-limit:]]
        return [log_json(record) for record in islice(self._logs.newest(service=service), limit)]

    def metrics(self, *, service: str | None, name: str | None) -> bytes:
        """Return the latest point of each series as a JSON array."""
        return b"[" + b",".join(point for _, point in self._metrics.select(service=service, name=name)) + b"]"

    def stats(self) -> dict[str, Any]:
        """Return what is held, what was given up, and the limits."""
        return {
            "held": {
                "traces": len(self._traces),
                "spans": self._traces.span_count(),
                "logs": len(self._logs),
                "series": len(self._metrics),
                "traces_bytes": self._traces.cost_bytes,
                "logs_bytes": self._logs.cost_bytes,
                "metrics_bytes": self._metrics.cost_bytes,
            },
            "limits": {
                "traces_bytes": self.limits.traces_bytes,
                "logs_bytes": self.limits.logs_bytes,
                "metrics_bytes": self.limits.metrics_bytes,
            },
            "evicted": {
                "traces": self._traces.evicted_traces,
                "spans": self._traces.evicted_spans,
                "logs": self._logs.evicted,
                "series": self._metrics.evicted,
            },
            "received": dict(self._counts),
        }

    def _counted(self, signal: str, taken: int, seen: int) -> Accepted:
        self._counts[f"{signal}_taken"] += taken
        self._counts[f"{signal}_left_out"] += seen - taken
        return Accepted(taken=taken, left_out=seen - taken)


def _parsed(body: bytes, max_bytes: int, parse: Callable[[str, str, bytes], Parsed | None]) -> Iterator[Parsed | None]:
    resource: bytes | None = None
    service, instance = UNKNOWN_SERVICE, ""
    for record in Walker(body, max_parts=MAX_PARTS_PER_REQUEST).records():
        if resource != record.resource:
            resource = record.resource
            service, instance = _identity(record)
        if len(record.encoded) > max_bytes:
            yield None
            continue
        try:
            yield parse(service, instance, record.encoded)
        except DecodeError as error:
            raise MalformedRequestError from error


def _identity(record: Record) -> tuple[str, str]:
    if len(record.resource) > MAX_RECORD_BYTES:
        return UNKNOWN_SERVICE, ""
    try:
        service, instance = resource_identity(record.resource)
    except DecodeError as error:
        raise MalformedRequestError from error
    return interned(service), interned(instance)


def _span(service: str, _instance: str, encoded: bytes) -> tuple[bytes, bytes, StoredSpan] | None:
    span = Span.FromString(encoded)
    if len(span.trace_id) != _TRACE_ID_BYTES or len(span.span_id) != _SPAN_ID_BYTES:
        return None
    stored = StoredSpan(
        service=service,
        name=interned(span.name),
        parent_span_id=span.parent_span_id,
        start_unix_nano=span.start_time_unix_nano,
        end_unix_nano=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        encoded=encoded,
    )
    return span.trace_id, span.span_id, stored


def _log(service: str, _instance: str, encoded: bytes) -> StoredLog:
    return StoredLog(service=service, trace_id=LogRecord.FromString(encoded).trace_id, encoded=encoded)


def _series(service: str, instance: str, encoded: bytes) -> list[tuple[SeriesKey, bytes]]:
    metric = Metric.FromString(encoded)
    identity = {"service": service, "instance": instance, "name": metric.name, "unit": metric.unit}
    return [
        (
            SeriesKey(service, instance, interned(metric.name), json.dumps(labels, sort_keys=True)),
            json.dumps({**identity, "attributes": labels, **point}, separators=(",", ":")).encode(),
        )
        for labels, point in metric_points(metric)
    ]
