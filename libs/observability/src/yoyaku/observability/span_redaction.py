"""Spans leave the process without secrets: attributes, exception events and status texts pass through the redaction.

Runs in the exporting thread, so the code that is traced pays nothing for it.
"""

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import Attributes

from yoyaku.observability.redaction import REDACTED, is_forbidden, redact_text


class RedactingSpanExporter(SpanExporter):
    """Hand clean spans to another exporter; a span without secrets is handed on as it is."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Redact and export."""
        return self._exporter.export([clean_span(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other exporter."""
        return self._exporter.force_flush(timeout_millis)


def clean_span(span: ReadableSpan) -> ReadableSpan:
    """Return the span itself when it holds no secret, else a copy without them."""
    attributes = _clean(span.attributes)
    events = [Event(event.name, _clean(event.attributes), event.timestamp) for event in span.events]
    description = redact_text(span.status.description) if span.status.description else span.status.description
    name = redact_text(span.name)
    unchanged = (
        name == span.name
        and attributes == _plain(span.attributes)
        and description == span.status.description
        and all(new.attributes == _plain(old.attributes) for new, old in zip(events, span.events, strict=True))
    )
    if unchanged:
        return span
    return ReadableSpan(
        name=name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, description),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _plain(attributes: Attributes) -> dict[str, Any]:
    return dict(attributes or {})


def _clean(attributes: Attributes) -> dict[str, Any]:
    return {name: REDACTED if is_forbidden(name) else _clean_value(value) for name, value in (attributes or {}).items()}


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(redact_text(item) if isinstance(item, str) else item for item in value)
    return value
