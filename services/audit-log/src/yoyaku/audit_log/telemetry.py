"""What the audit log measures, by name."""

from typing import Final

from yoyaku.audit_log.domain.inspection import FindingKind
from yoyaku.observability.metrics import meter
from yoyaku.observability.tracing import tracer

SCOPE: Final = "yoyaku.audit_log"

ENTRIES: Final = "yoyaku.audit.entries"
"""Counter: facts by what became of them: recorded, repeated, contradicting."""
APPEND_DURATION: Final = "yoyaku.audit.append.duration"
"""Histogram, seconds: one transaction that appends a batch."""
COSIGN_REQUESTS: Final = "yoyaku.audit.cosign.requests"
"""Counter: rounds in which a witness was asked for a cosignature, by how they ended."""
COSIGNATURE_AGE: Final = "yoyaku.audit.cosignature.age"
"""Gauge, seconds: since the newest cosignature; of several outside witnesses the oldest. Absent on a standby."""
INSPECTIONS: Final = "yoyaku.audit.inspections"
"""Counter: verifications of the stored log by scope (rolling, whole) and outcome (whole, damaged)."""
INSPECTION_DURATION: Final = "yoyaku.audit.inspection.duration"
"""Histogram, seconds: one verification, by scope."""
FINDINGS: Final = "yoyaku.audit.findings"
"""Counter: what verification found wrong for the first time, by kind. Anything above zero is an alarm."""
OPEN_FINDINGS: Final = "yoyaku.audit.findings.open"
"""Gauge: how much was wrong at the last verification, by scope; told by the process that made it."""
CHECKPOINTS: Final = "yoyaku.audit.checkpoints"
"""Counter: checkpoints that were signed and published."""
UNUSABLE_KEYS: Final = "yoyaku.audit.keys.unusable"
"""Counter: keys of persons that could not be unwrapped when something of them was recorded. Anything is an alarm."""
SEGMENTS: Final = "yoyaku.audit.segments"
"""Counter: months by what became of them: sealed, deleted; failed counts rounds of sealing that were interrupted."""
APPEND_SPAN: Final = "append entry"
"""Span of one fact's append; `yoyaku.audit.position` says where it went."""
POSITION_ATTRIBUTE: Final = "yoyaku.audit.position"
BATCH_ATTRIBUTE: Final = "messaging.batch.message_count"

TRACER = tracer(SCOPE)
METER = meter(SCOPE)

entries = METER.create_counter(ENTRIES, unit="{entry}", description="Facts by what became of them")
append_duration = METER.create_histogram(APPEND_DURATION, unit="s", description="One append of a batch")
cosign_requests = METER.create_counter(COSIGN_REQUESTS, unit="{request}", description="Checkpoints sent to witnesses")
checkpoints = METER.create_counter(CHECKPOINTS, unit="{checkpoint}", description="Checkpoints signed and published")

inspections = METER.create_counter(INSPECTIONS, unit="{inspection}", description="Verifications of the stored log")
inspection_duration = METER.create_histogram(INSPECTION_DURATION, unit="s", description="One verification")
findings = METER.create_counter(FINDINGS, unit="{finding}", description="What verification found wrong")
open_findings = METER.create_gauge(OPEN_FINDINGS, unit="{finding}", description="What the last verification found")

unusable_keys = METER.create_counter(UNUSABLE_KEYS, unit="{key}", description="Keys that could not be used")
segments = METER.create_counter(SEGMENTS, unit="{segment}", description="Months sealed and deleted")

SEGMENT_OUTCOMES: Final = ("sealed", "deleted", "failed")
OUTCOMES: Final = ("recorded", "repeated", "contradicting")

COSIGN_OUTCOMES: Final = ("cosigned", "away", "denied", "refused")
WITNESS_KINDS: Final = ("inner", "outside")


def create_series() -> None:
    """Make every series, so that the first fact of a kind is a step from zero."""
    checkpoints.add(0)
    unusable_keys.add(0)
    for outcome in SEGMENT_OUTCOMES:
        segments.add(0, {"outcome": outcome})
    for outcome in OUTCOMES:
        entries.add(0, {"outcome": outcome})
    for outcome in COSIGN_OUTCOMES:
        for kind in WITNESS_KINDS:
            cosign_requests.add(0, {"outcome": outcome, "witness": kind})
    for kind in FindingKind:
        findings.add(0, {"kind": kind.value})
