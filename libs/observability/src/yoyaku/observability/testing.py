"""What tests need to see the telemetry of their own process.

OpenTelemetry's providers can be set once in the life of a process, so the first use sets them and later uses
share them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from yoyaku.observability.metrics import standard_views


class _Recorder(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.recording = True

    def on_end(self, span: ReadableSpan) -> None:
        if self.recording:
            self.spans.append(span)


class RecordedMetrics:
    """Reads what the instruments of this process have counted so far."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def names(self) -> set[str]:
        """Return the names of all instruments that hold data."""
        return set(self._points())

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a counter or gauge (the count of a histogram) with exactly these labels, dots as `_`."""
        for point in self._points().get(name, []):
            found = {key.replace(".", "_"): value for key, value in (point.attributes or {}).items()}
            if found == labels:
                return point.value if isinstance(point, NumberDataPoint) else float(getattr(point, "count", 0))
        return None

    def total(self, name: str, **labels: str) -> float | None:
        """Return the sum over all points of a counter that have these labels, whatever others they have."""
        found = [
            point.value
            for point in self._points().get(name, [])
            if labels.items()
            <= {key.replace(".", "_"): value for key, value in (point.attributes or {}).items()}.items()
        ]
        return sum(found) if found else None

    def _points(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@contextmanager
def recorded_spans() -> Iterator[list[ReadableSpan]]:
    """Yield a list that receives every sampled span of this process as it ends, oldest end first."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    recorder = _Recorder()
    provider.add_span_processor(recorder)
    try:
        yield recorder.spans
    finally:
        recorder.recording = False


_READERS: list[InMemoryMetricReader] = []


def recorded_metrics() -> RecordedMetrics:
    """Return a view on this process's metrics; they accumulate, so tests compare before and after."""
    if not _READERS:
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader], views=standard_views(), shutdown_on_exit=False))
        _READERS.append(reader)
    return RecordedMetrics(_READERS[0])
