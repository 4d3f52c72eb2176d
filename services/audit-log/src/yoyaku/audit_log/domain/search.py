"""How entries are asked for, as they are stored and as they are shown.

Invariant: a page is a stretch of the log as it was when the reading began, in order of positions, either way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from yoyaku.audit_log.domain.leaf import StoredEvent, text_of
from yoyaku.audit_log.domain.result import Result

MAX_PAGE_ENTRIES: Final = 500
MAX_PAGE_BYTES: Final = 512 * 1024
"""Of leaves, and of bodies beside them, in one page: an answer on the bus holds 1 MB, the envelopes' names included."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions, all of which must hold. Times are aware; the later one is excluded."""

    actor: str | None = None
    subject: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    event_id: str | None = None
    client_address: str | None = None
    """In canonical form."""
    result: Result | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None

    def told(self) -> dict[str, str]:
        """Name what was looked for, as text."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: text_of(value) if isinstance(value, datetime) else str(value)
            for name, value in given.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class Query:
    """One page: `limit` (1 to MAX_PAGE_ENTRIES) entries from `lowest` to `highest`, both included."""

    filters: Filters = Filters()
    lowest: int = 0
    highest: int | None = None
    """None: to the end of the log."""
    limit: int = 100
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry as it is kept. Nothing sealed is opened."""

    position: int
    recorded_at: datetime
    epoch: int
    leaf: bytes
    result: Result | None
    beside: bytes | None = None
    """The body, when the leaf was too small for it and the page has room for it."""

    @property
    def size_bytes(self) -> int:
        """How much of a page it takes."""
        return len(self.leaf) + len(self.beside or b"")


@dataclass(frozen=True, slots=True)
class Found:
    """What one source has of a page, in the order asked for."""

    entries: Sequence[StoredEntry]
    has_more: bool
    """Whether this source may have more in the range that was asked for."""


@dataclass(frozen=True, slots=True)
class HotFound(Found):
    """What the database has of a page, and where the database begins and ends."""

    first_position: int
    """Entries below left the database."""
    next_position: int
    """As many entries had the log at that moment."""


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry for a reader: the event with its personal fields opened, as far as their keys exist."""

    position: int
    recorded_at: datetime
    result: Result | None
    event: StoredEvent | None
    """None when the stored bytes are no leaf, which nobody but a superuser can make of them."""
    leaf: bytes
    body_sha256: str | None
    """Names the body beside the leaf, when there is one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the order asked for."""

    entries: Sequence[ShownEntry]
    next_after: int | None
    """The position after which the next page begins; None at the end."""
    up_to: int
    """The last position that belongs to this reading; -1 for an empty log."""


def fitting(entries: Iterable[StoredEntry], limit: int, max_bytes: int) -> list[StoredEntry]:
    """Take the first `limit` entries as far as they hold `max_bytes` together; one always fits."""
    taken: list[StoredEntry] = []
    size_bytes = 0
    for entry in entries:
        size_bytes += entry.size_bytes
        if len(taken) == limit or (taken and size_bytes > max_bytes):
            break
        taken.append(entry)
    return taken
