"""An entry as it is read back, and how a page of entries is asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_PAGE_ENTRIES: Final = 500
MAX_PAGE_BYTES: Final = 512 * 1024
"""Of leaves and the bodies beside them in one page: an answer on the bus holds 1 MiB at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Times are aware UTC; `recorded_at` is never earlier than that of the entry before."""

    position: int
    event_id: str | None
    source: str
    number: int
    type: str
    occurred_at: datetime | None
    recorded_at: datetime
    actor: str | None
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    client_address: str | None
    traceparent: str | None
    body: bytes | None
    """As received; None when its key was destroyed."""
    problem: str | None
    forgotten: tuple[str, ...] = ()
    """JSON pointers of what is None because its key was destroyed."""


@dataclass(frozen=True, slots=True)
class Query:
    """Entries after a position, in order of position, that match every filter given.

    `after`: -1 from the start. `limit` is brought into 1..MAX_PAGE_ENTRIES. Times are aware; the later one is excluded.
    """

    after: int = -1
    limit: int = 100
    actor: str | None = None
    subject: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order of position. `next_after` asks for the next page; `None` when this one is the last for now."""

    entries: list[Entry]
    next_after: int | None
