"""What the detector measures, by name."""

from typing import Final

from yoyaku.observability.metrics import meter
from yoyaku.observability.tracing import tracer

SCOPE: Final = "yoyaku.security_detector"

FAILURES: Final = "yoyaku.security.failures"
"""Counter: failed sign-ins judged, each once; those of blocked clients are not among them."""
INCIDENTS: Final = "yoyaku.security.incidents"
"""Counter: incidents opened, by rule."""
BLOCKS: Final = "yoyaku.security.blocks"
"""Counter: blocks, by what happened to them: imposed, expired, repaired."""
ENFORCEMENT_DELAY: Final = "yoyaku.security.block.enforcement_delay"
"""Histogram, seconds: from the deciding failure to the block in the bucket."""
WITNESS_REQUESTS: Final = "yoyaku.security.witness.requests"
"""Counter: checkpoints that a log asked to have cosigned, by what became of the request."""

IMPOSE_SPAN: Final = "open incident"
"""Span of a decision: the events that follow from it are its children."""
PUSH_SPAN: Final = "push block"
"""Span of putting a block into the bucket."""
RULE_ATTRIBUTE: Final = "yoyaku.security.rule"
INCIDENT_ATTRIBUTE: Final = "yoyaku.security.incident_id"
BLOCK_ATTRIBUTE: Final = "yoyaku.security.block_id"

TRACER = tracer(SCOPE)
_METER = meter(SCOPE)

failures = _METER.create_counter(FAILURES, unit="{failure}", description="Failed sign-ins judged")
incidents = _METER.create_counter(INCIDENTS, unit="{incident}", description="Incidents opened")
blocks = _METER.create_counter(BLOCKS, unit="{block}", description="Blocks by what happened to them")
enforcement_delay = _METER.create_histogram(
    ENFORCEMENT_DELAY, unit="s", description="From the deciding failure to the block in the bucket"
)

witness_requests = _METER.create_counter(
    WITNESS_REQUESTS, unit="{request}", description="Checkpoints to cosign by what became of them"
)

OUTCOMES: Final = ("imposed", "expired", "repaired")
WITNESS_OUTCOMES: Final = (
    *("cosigned", "malformed", "forbidden", "unknown", "outdated", "forked", "inconsistent"),
    "damaged",
)


def create_series(*, rule: str) -> None:
    """Make every series, so that the first event of a kind is a step from zero."""
    failures.add(0)
    incidents.add(0, {"rule": rule})
    for outcome in OUTCOMES:
        blocks.add(0, {"outcome": outcome})
    for outcome in WITNESS_OUTCOMES:
        witness_requests.add(0, {"outcome": outcome})
