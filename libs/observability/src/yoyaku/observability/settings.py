"""What an operator may choose about a service's telemetry."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class ObservabilitySettings(BaseModel):
    """Telemetry of one process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    otlp_endpoint: str | None = None
    """Base address of an OTLP/HTTP collector, e.g. `http://127.0.0.1:4318`. Without it OTEL_EXPORTER_OTLP_ENDPOINT
    counts; without that too, nothing is exported and traces are still propagated."""
    trace_sample_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of new traces that are recorded; a trace that began elsewhere keeps its own decision."""
    metric_interval_seconds: float = Field(default=15.0, gt=0)
    log_level: LogLevel = "INFO"
    log_file: Path | None = None
    log_rotation_size_bytes: int = Field(default=50_000_000, gt=0)
    """A log file is also rotated at midnight UTC."""
    log_retention_days: int = Field(default=30, gt=0)
    environment: str = "local"
