"""What the audit log measures, by name."""

from typing import Final

from yoyaku.observability.metrics import meter
from yoyaku.observability.tracing import tracer

SCOPE: Final = "yoyaku.audit_log"

ENTRIES: Final = "yoyaku.audit.entries"
"""Counter: facts by what became of them: recorded, repeated, contradicting."""
APPEND_DURATION: Final = "yoyaku.audit.append.duration"
"""Histogram, seconds: one transaction that appends a batch."""
APPEND_SPAN: Final = "append entry"
"""Span of one fact's append; `yoyaku.audit.position` says where it went."""
POSITION_ATTRIBUTE: Final = "yoyaku.audit.position"
BATCH_ATTRIBUTE: Final = "messaging.batch.message_count"

TRACER = tracer(SCOPE)
_METER = meter(SCOPE)

entries = _METER.create_counter(ENTRIES, unit="{entry}", description="Facts by what became of them")
append_duration = _METER.create_histogram(APPEND_DURATION, unit="s", description="One append of a batch")

OUTCOMES: Final = ("recorded", "repeated", "contradicting")


def create_series() -> None:
    """Make every series, so that the first fact of a kind is a step from zero."""
    for outcome in OUTCOMES:
        entries.add(0, {"outcome": outcome})
