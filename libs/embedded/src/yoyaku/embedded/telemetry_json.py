"""Turns stored OTLP records into the plain JSON values that the telemetry store answers with.

Ids are lower-case hex, times are nanoseconds since the epoch (UTC) as integers, attributes a plain object.
"""

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from yoyaku.embedded.telemetry_index import StoredLog, StoredSpan, StoredTrace

UNKNOWN_SERVICE = "unknown_service"
_KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATUSES = {0: "unset", 1: "ok", 2: "error"}


def any_value(value: AnyValue) -> Any:
    """Return an attribute's value; bytes as hex."""
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [any_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case _:
            return getattr(value, kind)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as an object."""
    return {pair.key: any_value(pair.value) for pair in pairs}


def resource_identity(encoded: bytes) -> tuple[str, str]:
    """Return service name and instance id of a resource. Raises DecodeError."""
    found = attributes(Resource.FromString(encoded).attributes)
    return str(found.get("service.name", UNKNOWN_SERVICE)), str(found.get("service.instance.id", ""))


def span_json(stored: StoredSpan) -> dict[str, Any]:
    """Return one span."""
    span = Span.FromString(stored.encoded)
    return {
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "kind": _KINDS.get(span.kind, "unspecified"),
        "service": stored.service,
        "start_unix_nano": span.start_time_unix_nano,
        "end_unix_nano": span.end_time_unix_nano,
        "status": _STATUSES.get(span.status.code, "unset"),
        "status_message": span.status.message,
        "attributes": attributes(span.attributes),
        "events": [
            {"name": event.name, "time_unix_nano": event.time_unix_nano, "attributes": attributes(event.attributes)}
            for event in span.events
        ],
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
    }


def log_json(stored: StoredLog) -> dict[str, Any]:
    """Return one log record."""
    record = LogRecord.FromString(stored.encoded)
    body = any_value(record.body)
    return {
        "service": stored.service,
        "time_unix_nano": record.time_unix_nano or record.observed_time_unix_nano,
        "severity": record.severity_text or "INFO",
        "body": body if isinstance(body, str) else repr(body),
        "trace_id": record.trace_id.hex() or None,
        "span_id": record.span_id.hex() or None,
        "attributes": attributes(record.attributes),
    }


def trace_json(trace: StoredTrace, logs: Iterable[StoredLog]) -> dict[str, Any]:
    """Return one trace, spans and log records in the order of time."""
    return {
        **summary_json(trace),
        "spans": sorted((span_json(span) for span in trace.spans.values()), key=lambda span: span["start_unix_nano"]),
        "logs": sorted((log_json(log) for log in logs), key=lambda log: log["time_unix_nano"]),
    }


def summary_json(trace: StoredTrace) -> dict[str, Any]:
    """Return what a list of traces says about one."""
    root = trace.root
    start = min(span.start_unix_nano for span in trace.spans.values())
    end = max(span.end_unix_nano for span in trace.spans.values())
    return {
        "trace_id": trace.trace_id.hex(),
        "root_name": root.name,
        "root_service": root.service,
        "start_unix_nano": start,
        "duration_nano": max(0, end - start),
        "span_count": len(trace.spans),
        "error_count": sum(span.failed for span in trace.spans.values()),
        "services": sorted({span.service for span in trace.spans.values()}),
        "refused_spans": trace.refused_spans,
    }


def metric_points(metric: Metric) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield attributes and value of each point of a metric."""
    kind = metric.WhichOneof("data")
    if kind in ("gauge", "sum"):
        for number in (metric.gauge if kind == "gauge" else metric.sum).data_points:
            value = number.as_int if number.WhichOneof("value") == "as_int" else number.as_double
            yield attributes(number.attributes), {"kind": kind, "time_unix_nano": number.time_unix_nano, "value": value}
    elif kind == "histogram":
        for point in metric.histogram.data_points:
            yield (
                attributes(point.attributes),
                {
                    "kind": kind,
                    "time_unix_nano": point.time_unix_nano,
                    "count": point.count,
                    "sum": point.sum,
                    "bounds": list(point.explicit_bounds),
                    "buckets": list(point.bucket_counts),
                },
            )
