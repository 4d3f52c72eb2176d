"""What completeness needs from outside: its own rows, the outboxes of the producers, the streams."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.audit_log.domain.completeness import Counted, GapReason, Handled, Reached, Resolution, reached
from yoyaku.audit_log.domain.numbers import Interval, Numbers


class BusAwayError(Exception):
    """The bus did not say how far the streams are; nothing can be called missing now."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as the log has it: checked up to a number, and the highest number that is recorded or passed over."""

    source: str
    checked_to: int
    highest: int
    stated_to: int = 0
    stated_lost: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers of a source to be looked for: above `after`, up to `to`."""

    source: str
    after: int
    to: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What is not accounted for in a range, of which only the part up to `to` was looked at."""

    missing: Numbers
    to: int


@dataclass(frozen=True, slots=True)
class Gap:
    """An open gap."""

    gap_id: int
    source: str
    interval: Interval
    reason: GapReason
    found_at: datetime
    asked_at: datetime | None
    asked_count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the log, the last look and the last statement stand.

    `unanswered`: services that did not answer at that look. `stated_position`: the log's next position when the
    statement was made.
    """

    next_position: int
    looked_at: datetime | None
    unanswered: Sequence[str]
    stated_at: datetime | None
    stated_position: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated: the number by source, how many of these are lost, and how many gaps may still close."""

    complete_to: Mapping[str, int]
    lost: Mapping[str, int]
    open_gaps: int


@dataclass(frozen=True, slots=True)
class Resent:
    """What a producer answered to a wish: how far it published, and what it no longer has."""

    published: int
    lost: Numbers


class CompletenessTransaction(Protocol):
    """One transaction of the leader; facts are told if and only if it commits."""

    async def open_gap(self, source: str, reason: GapReason, numbers: Numbers, found_at: datetime) -> None:
        """Keep each interval as a gap and tell it."""

    async def close_gap(self, gap: Gap, numbers: Numbers, resolution: Resolution, closed_at: datetime) -> None:
        """Close a part of a gap, or all of it, and tell it; what was `lost` is told by the gap that takes its place."""

    async def note_asked(self, gap: Gap, asked_at: datetime) -> None:
        """Note that the numbers of a gap were asked for."""

    async def note_look(self, checked_to: Mapping[str, int], looked_at: datetime, unanswered: Sequence[str]) -> None:
        """Note up to where sources are checked, when, and which services did not answer."""

    async def state(self, statement: Statement, stated_at: datetime, position: int) -> None:
        """Tell the statement and remember it."""


class Pages(Protocol):
    """The rows of completeness, and what the log has recorded, for reading by any replica."""

    async def standing(self) -> Standing:
        """Return where the log and the last statement stand."""

    async def sources(self, sources: Sequence[str]) -> Sequence[SourceState]:
        """Return the state of each named source."""

    async def open_gaps(self) -> Sequence[Gap]:
        """Return the open gaps, the oldest first."""


class Book(Pages, Protocol):
    """The same rows, for the leader."""

    async def examine(self, ranges: Sequence[Range]) -> Sequence[Examined]:
        """Look for numbers: recorded, passed over, or kept as a contradiction. One answer a range, in order."""

    async def has_moved(self, from_position: int, stated_at: datetime | None, apart_from: Sequence[str]) -> bool:
        """Say whether an entry of another type than these was recorded at the position or later."""

    def transaction(self) -> AbstractAsyncContextManager[CompletenessTransaction]:
        """Open a transaction that commits only while this process leads."""


class Outboxes(Protocol):
    """The outboxes of the services that number events."""

    async def counted(self) -> tuple[Mapping[str, Counted], Sequence[str]]:
        """Ask all: what each source of those that answered counted, and the services that did not answer."""

    async def resend(self, source: str, interval: Interval) -> Resent | None:
        """Have numbers published again, as many as one wish allows; none when the service cannot now."""

    @property
    def numbers_a_wish(self) -> int:
        """Say how many numbers one wish may name."""


class Streams(Protocol):
    """The streams that carry what producers number."""

    async def progress(self) -> tuple[Mapping[str, int], Mapping[str, Handled]]:
        """Return the newest sequence of each stream, and how far its events are recorded. Raises BusAwayError."""


def reached_by_source(states: Sequence[SourceState], gaps: Sequence[Gap]) -> Mapping[str, Reached]:
    """Return how far each source is complete."""
    hopeful: dict[str, list[Interval]] = defaultdict(list)
    lost: dict[str, list[Interval]] = defaultdict(list)
    for gap in gaps:
        if gap.reason.is_hopeful:
            hopeful[gap.source].append(gap.interval)
        elif gap.reason is GapReason.LOST_AT_SOURCE:
            lost[gap.source].append(gap.interval)
    return {
        state.source: reached(state.checked_to, Numbers.of(hopeful[state.source]), Numbers.of(lost[state.source]))
        for state in states
    }
