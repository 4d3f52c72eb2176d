"""A failed sign-in, as the rules see it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """One refused sign-in of a client that was not blocked.

    `occurred_at`: aware UTC, event time. `correlation_id` and `traceparent` tie what follows from it to its request.
    """

    event_id: str
    address: str
    occurred_at: datetime
    correlation_id: str
    traceparent: str | None = None

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in event time; the id orders what happened at the same moment."""
        return self.occurred_at, self.event_id
