"""What is refused, and until when."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Block:
    """A block of one address. `until`: aware UTC, the first moment at which it is not refused any more.

    `decided_at_event_time`: when the failure happened that decided it; `traceparent` leads to the decision.
    """

    block_id: str
    incident_id: str
    value: str
    until: datetime
    reason: str
    rule: str
    decided_at_event_time: datetime
    traceparent: str | None = None
    kind: str = "address"

    def remaining_seconds(self, now: datetime) -> float:
        """Give the seconds that are left; zero or less when it is over."""
        return (self.until - now).total_seconds()
