"""One call that gives a process its traces, metrics and logs.

Invariant: the request path never waits for a collector: signals go through bounded queues that drop their oldest, and
the end of a process waits for them at most SHUTDOWN_SECONDS in all.
"""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from loguru import logger
from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_ENDPOINT
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from yoyaku.observability.log_file import LogFile
from yoyaku.observability.logs import LogSinks, logging_configured, uncaught_exceptions_logged
from yoyaku.observability.metrics import observe_process, standard_views
from yoyaku.observability.otlp_logs import otlp_sink
from yoyaku.observability.otlp_transport import HttpTransport
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.observability.span_redaction import RedactingSpanExporter
from yoyaku.observability.tracing import PROPAGATOR

SERVICE_NAMESPACE: Final = "yoyaku"

SHUTDOWN_SECONDS: Final = 4.0
EXPORT_TIMEOUT_SECONDS: Final = 10.0
QUEUE_SIZE: Final = 8192
BATCH_SIZE: Final = 512
DELAY_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Signals:
    """The providers of this process and the transports beneath them."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    logger_provider: LoggerProvider | None
    transports: tuple[HttpTransport, ...]

    def shutdown(self) -> None:
        """Send what is queued, for SHUTDOWN_SECONDS at most; what is left then is dropped."""
        for transport in self.transports:
            transport.stop_retrying()
        threads = [
            threading.Thread(target=provider.shutdown, name="telemetry-shutdown", daemon=True)
            for provider in (self.tracer_provider, self.meter_provider, self.logger_provider)
            if provider is not None
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + SHUTDOWN_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


@contextmanager
def observed(
    service_name: str, *, version: str, settings: ObservabilitySettings, instance_id: str | None = None
) -> Iterator[None]:
    """Configure traces, metrics and logs of this process for the time of the block, then flush within 5 s.

    `instance_id` tells replicas apart; a fresh UUID when not given. What escapes the block is logged. Afterwards JSON
    lines on stderr stay. OpenTelemetry takes providers once in the life of a process: a later call configures the logs
    anew, warns, and leaves traces and metrics as they are.
    """
    endpoint = settings.otlp_endpoint or os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)
    first = not isinstance(trace.get_tracer_provider(), TracerProvider)
    resource = _resource(service_name, version, settings, instance_id)
    signals = _start_signals(resource, settings, endpoint.rstrip("/") if endpoint else None, install=first)
    with ExitStack() as stack:
        stack.enter_context(logging_configured(service_name, _sinks(settings, signals)))
        stack.callback(signals.shutdown)
        stack.enter_context(uncaught_exceptions_logged())
        if not first:
            logger.warning("telemetry was configured before in this process, traces and metrics keep that")
        yield


def _resource(service_name: str, version: str, settings: ObservabilitySettings, instance_id: str | None) -> Resource:
    return Resource.create(
        {
            "service.name": service_name,
            "service.namespace": SERVICE_NAMESPACE,
            "service.version": version,
            "service.instance.id": instance_id or str(uuid.uuid4()),
            "deployment.environment.name": settings.environment,
            "process.pid": os.getpid(),
        }
    )


def _sinks(settings: ObservabilitySettings, signals: _Signals) -> LogSinks:
    file = None
    if settings.log_file is not None:
        file = LogFile(
            settings.log_file,
            rotation_size_bytes=settings.log_rotation_size_bytes,
            retention_days=settings.log_retention_days,
        )
    otlp = otlp_sink(signals.logger_provider) if signals.logger_provider is not None else None
    return LogSinks(settings.log_level, file, otlp)


def _start_signals(
    resource: Resource, settings: ObservabilitySettings, endpoint: str | None, *, install: bool
) -> _Signals:
    transports: list[HttpTransport] = []

    def transport() -> HttpTransport:
        transports.append(HttpTransport())
        return transports[-1]

    logger_provider = _logger_provider(resource, endpoint, transport()) if endpoint else None
    if not install:
        return _Signals(None, None, logger_provider, tuple(transports))
    tracer_provider = TracerProvider(
        resource=resource,
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
        shutdown_on_exit=False,
    )
    readers = []
    if endpoint:
        tracer_provider.add_span_processor(_span_processor(endpoint, transport()))
        exporter = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=EXPORT_TIMEOUT_SECONDS, _transport=transport())
        readers.append(
            PeriodicExportingMetricReader(exporter, export_interval_millis=settings.metric_interval_seconds * 1000)
        )
    meter_provider = MeterProvider(readers, resource=resource, views=standard_views(), shutdown_on_exit=False)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    propagate.set_global_textmap(PROPAGATOR)
    observe_process(meter_provider.get_meter("yoyaku.observability"))
    return _Signals(tracer_provider, meter_provider, logger_provider, tuple(transports))


def _span_processor(endpoint: str, transport: HttpTransport) -> BatchSpanProcessor:
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS, _transport=transport)
    return BatchSpanProcessor(
        RedactingSpanExporter(exporter),
        max_queue_size=QUEUE_SIZE,
        schedule_delay_millis=DELAY_MILLISECONDS,
        max_export_batch_size=BATCH_SIZE,
    )


def _logger_provider(resource: Resource, endpoint: str, transport: HttpTransport) -> LoggerProvider:
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(f"{endpoint}/v1/logs", timeout=EXPORT_TIMEOUT_SECONDS, _transport=transport)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            exporter,
            schedule_delay_millis=DELAY_MILLISECONDS,
            max_export_batch_size=BATCH_SIZE,
            max_queue_size=QUEUE_SIZE,
        )
    )
    return provider
