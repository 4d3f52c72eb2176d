"""What the last look at the numbers found, as metrics; nothing is told when the last look is too long ago.

Only the leader looks. A reading that is too old to be true is left out, so that absence shows as absence.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from opentelemetry.metrics import CallbackOptions, Observation

from yoyaku.audit_log.domain.completeness import GapReason
from yoyaku.audit_log.telemetry import SCOPE
from yoyaku.audit_log.usecases.completeness_ports import Gap
from yoyaku.observability.metrics import meter

GAPS: Final = "yoyaku.audit.gaps"
"""Gauge: open gaps by reason."""
OLDEST_GAP: Final = "yoyaku.audit.gap.oldest_age"
"""Gauge, seconds: how long ago the oldest gap was found that may still close; 0 without one."""
SOURCES: Final = "yoyaku.audit.completeness.sources"
"""Gauge: sources that the log compares."""
UNANSWERED: Final = "yoyaku.audit.completeness.unanswered"
"""Gauge: services whose outbox did not answer at the last look."""


@dataclass(slots=True)
class CompletenessGauges:
    """The last reading of this process."""

    stale_after_seconds: float = 300.0
    _read_at: float = float("-inf")
    _gaps: dict[str, int] = field(default_factory=dict)
    _oldest_found_at: datetime | None = None
    _now: datetime | None = None
    _sources: int = 0
    _unanswered: int = 0

    def note(self, gaps: Sequence[Gap], *, sources: int, unanswered: int, now: datetime) -> None:
        """Take in what a look left. `now`: aware, by the clock that dated the gaps."""
        self._gaps = {reason.value: 0 for reason in GapReason}
        for gap in gaps:
            self._gaps[gap.reason.value] += 1
        closable = [gap.found_at for gap in gaps if gap.reason is not GapReason.LOST_AT_SOURCE]
        self._oldest_found_at = min(closable, default=None)
        self._sources, self._unanswered = sources, unanswered
        self._now, self._read_at = now, time.monotonic()

    def forget(self) -> None:
        """Tell nothing any more: this process does not lead."""
        self._read_at = float("-inf")

    def gaps(self, _: CallbackOptions) -> Iterable[Observation]:
        """Give the open gaps by reason."""
        return [Observation(count, {"reason": reason}) for reason, count in self._gaps.items()] if self._fresh else []

    def oldest_age(self, _: CallbackOptions) -> Iterable[Observation]:
        """Give the age of the oldest gap that may still close."""
        if not self._fresh or self._now is None:
            return []
        if self._oldest_found_at is None:
            return [Observation(0.0)]
        age = (self._now - self._oldest_found_at).total_seconds() + time.monotonic() - self._read_at
        return [Observation(max(0.0, age))]

    def sources(self, _: CallbackOptions) -> Iterable[Observation]:
        """Give how many sources are compared."""
        return [Observation(self._sources)] if self._fresh else []

    def unanswered(self, _: CallbackOptions) -> Iterable[Observation]:
        """Give how many services did not answer."""
        return [Observation(self._unanswered)] if self._fresh else []

    @property
    def _fresh(self) -> bool:
        return time.monotonic() - self._read_at < self.stale_after_seconds


GAUGES: Final = CompletenessGauges()
"""The gauges of this process; a process has one term at a time."""

_METER = meter(SCOPE)
_METER.create_observable_gauge(GAPS, [GAUGES.gaps], unit="{gap}", description="Open gaps by reason")
_METER.create_observable_gauge(
    OLDEST_GAP, [GAUGES.oldest_age], unit="s", description="Age of the oldest gap that may still close"
)
_METER.create_observable_gauge(
    SOURCES, [GAUGES.sources], unit="{source}", description="Sources whose numbers are compared"
)
_METER.create_observable_gauge(
    UNANSWERED, [GAUGES.unanswered], unit="{service}", description="Services whose outbox did not answer"
)
