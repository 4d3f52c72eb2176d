"""What the backup coordinator measures, by name."""

from typing import Final

from yoyaku.observability.metrics import meter
from yoyaku.observability.tracing import tracer

SCOPE: Final = "yoyaku.backup_coordinator"

RUNS: Final = "yoyaku.backup.runs"
"""Counter: backup runs by outcome: completed, failed."""
RUN_DURATION: Final = "yoyaku.backup.run.duration"
"""Histogram, seconds: one backup run, from its start to its record."""
RUN_SIZE: Final = "yoyaku.backup.run.size"
"""Histogram, bytes: what a completed run put on disk."""
RUN_SPAN: Final = "backup run"
TAKE_SPAN: Final = "pg_basebackup"
PROVE_SPAN: Final = "read back and verify"
SCHEDULE_SPAN: Final = "backup schedule"
RUN_ID_ATTRIBUTE: Final = "yoyaku.backup.run_id"

TRACER = tracer(SCOPE)
_METER = meter(SCOPE)

runs = _METER.create_counter(RUNS, unit="{run}", description="Backup runs by outcome")
run_duration = _METER.create_histogram(RUN_DURATION, unit="s", description="One backup run")
run_size = _METER.create_histogram(RUN_SIZE, unit="By", description="What a completed run put on disk")

OUTCOMES: Final = ("completed", "failed")


def create_series() -> None:
    """Make every series, so that the first run of a kind is a step from zero."""
    for outcome in OUTCOMES:
        runs.add(0, {"outcome": outcome})
