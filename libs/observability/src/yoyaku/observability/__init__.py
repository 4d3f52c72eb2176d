"""Traces, metrics, logs and health for a service."""

from yoyaku.observability.metrics import meter
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.observability.setup import observed
from yoyaku.observability.tracing import context_from, current_traceparent, extract, inject, tracer

__all__ = [
    "ObservabilitySettings",
    "context_from",
    "current_traceparent",
    "extract",
    "inject",
    "meter",
    "observed",
    "tracer",
]
