"""What the use cases need from outside."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.audit_log.domain.entry import Page, Query
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.sequence import Contradiction, Placed, Recorded


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends, held by this transaction until it commits.

    `recorded_at`: the time of recording for what is appended now; aware UTC, never earlier than the last entry's.
    """

    next_position: int
    recorded_at: datetime


class LogTransaction(Protocol):
    """One transaction of the sequencer. It commits only while this process leads."""

    async def hold_head(self) -> Head:
        """Hold the head row; another sequencer waits."""

    async def recorded_under(self, facts: Sequence[Fact]) -> Sequence[Recorded]:
        """Return what is recorded under any number or event id of these facts."""

    async def append(self, placed: Sequence[Placed], recorded_at: datetime) -> None:
        """Write entries and move the head past the last of them."""

    async def keep_contradictions(
        self, contradictions: Sequence[Contradiction], found_at: datetime
    ) -> Sequence[Contradiction]:
        """Keep the evidence; return those that were not known before."""

    def report(self, contradiction: Contradiction) -> None:
        """Tell `audit.integrity.violated.v1` through the outbox of this transaction."""


class Log(Protocol):
    """The append side."""

    def transaction(self) -> AbstractAsyncContextManager[LogTransaction]:
        """Open a transaction; it commits when the block ends without an exception."""


class Entries(Protocol):
    """The read side."""

    async def find(self, query: Query, max_bytes: int) -> Page:
        """Return up to `query.limit` entries whose bodies hold `max_bytes` together; one entry always fits."""
