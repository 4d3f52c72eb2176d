"""Compare the numbers of every source with what is recorded: find gaps, and close those whose events arrived."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from yoyaku.audit_log.domain.completeness import (
    NOTHING,
    Counted,
    GapReason,
    Mark,
    Moment,
    Resolution,
    Seen,
    Suspicion,
    examined_to,
    gone_back,
    has_caught_up,
    judge,
)
from yoyaku.audit_log.domain.numbers import Numbers
from yoyaku.audit_log.usecases.completeness_ports import (
    Book,
    CompletenessTransaction,
    Gap,
    Outboxes,
    Range,
    SourceState,
    Streams,
)

_LAST_NUMBER: Final = 2**63 - 2
"""One below what a number can be: the number after it exists, too."""


@dataclass(slots=True)
class Look:
    """What one look found and closed, by source."""

    found: list[tuple[str, GapReason, Numbers]] = field(default_factory=list)
    closed: list[tuple[Gap, Numbers, Resolution]] = field(default_factory=list)
    checked_to: dict[str, int] = field(default_factory=dict)
    unanswered: Sequence[str] = ()


class CheckCompleteness:
    """Looks, again and again; what is only suspected is remembered from look to look, for one term of a leader."""

    def __init__(
        self,
        book: Book,
        outboxes: Outboxes,
        streams: Streams,
        *,
        sources: Sequence[str],
        grace_seconds: float,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        self._book = book
        self._outboxes = outboxes
        self._streams = streams
        self._sources = sources
        self._grace_seconds = grace_seconds
        self._now = now
        self._seconds = seconds
        self._suspicions: dict[str, Sequence[Suspicion]] = {}

    async def __call__(self) -> Look:
        """Look once. Raises BusAwayError, LeadershipLostError and the errors of yoyaku.postgres."""
        # The order matters. What is recorded before the producers are asked they have counted. What they have published
        # when they answer is in the streams when these are asked. What these call handled is recorded when we read.
        states = await self._book.sources(self._sources)
        counted, unanswered = await self._outboxes.counted()
        heads, handled = await self._streams.progress()
        moment = Moment(Mark(self._seconds(), heads), handled, self._grace_seconds)
        gaps = await self._book.open_gaps()
        look = Look(unanswered=unanswered)
        look.closed = await self._closed(gaps, counted)
        suspicions = await self._find(look, states, counted, gaps, moment)
        async with self._book.transaction() as transaction:
            await self._write(transaction, look)
        self._suspicions = suspicions
        return look

    async def _closed(
        self, gaps: Sequence[Gap], counted: Mapping[str, Counted]
    ) -> list[tuple[Gap, Numbers, Resolution]]:
        """Return what of the open gaps is closed: all that arrived, and sources that caught up."""
        of_events = [gap for gap in gaps if gap.reason is not GapReason.SOURCE_WENT_BACK]
        examined = await self._book.examine(
            [Range(gap.source, gap.interval.first - 1, gap.interval.last) for gap in of_events]
        )
        closed = []
        for gap, part in zip(of_events, examined, strict=True):
            arrived = Numbers.of([gap.interval]).up_to(part.to) - part.missing
            if arrived:
                closed.append((gap, arrived, Resolution.ARRIVED))
        closed += [
            (gap, Numbers.of([gap.interval]), Resolution.CAUGHT_UP)
            for gap in gaps
            if gap.reason is GapReason.SOURCE_WENT_BACK and has_caught_up(gap.interval, counted.get(gap.source))
        ]
        return closed

    async def _find(
        self,
        look: Look,
        states: Sequence[SourceState],
        counted: Mapping[str, Counted],
        gaps: Sequence[Gap],
        moment: Moment,
    ) -> dict[str, Sequence[Suspicion]]:
        """Note gaps and how far each source is checked; return what stays under suspicion."""
        known, went_back = _numbers_of(gaps)
        ranges, examined_states = [], []
        for state in states:
            count = counted.get(state.source)
            back = gone_back(state.highest, count, went_back.get(state.source, NOTHING))
            if back:
                look.found.append((state.source, GapReason.SOURCE_WENT_BACK, back))
            to = min(examined_to(state.highest, count), _LAST_NUMBER)
            if to > state.checked_to:
                ranges.append(Range(state.source, state.checked_to, to))
                examined_states.append(state)
        suspicions: dict[str, Sequence[Suspicion]] = {}
        for state, part in zip(examined_states, await self._book.examine(ranges), strict=True):
            missing = part.missing - known.get(state.source, NOTHING)
            seen = Seen(state.checked_to, part.to, missing, state.highest, counted.get(state.source))
            judgement = judge(seen, self._suspicions.get(state.source, ()), moment)
            look.found += [(state.source, reason, numbers) for reason, numbers in judgement.found.items()]
            if judgement.suspicions:
                suspicions[state.source] = judgement.suspicions
            if judgement.checked_to != state.checked_to:
                look.checked_to[state.source] = judgement.checked_to
        return suspicions

    async def _write(self, transaction: CompletenessTransaction, look: Look) -> None:
        now = self._now()
        for gap, numbers, resolution in look.closed:
            await transaction.close_gap(gap, numbers, resolution, now)
        for source, reason, numbers in look.found:
            await transaction.open_gap(source, reason, numbers, now)
        await transaction.note_look(look.checked_to, now, look.unanswered)


def _numbers_of(gaps: Sequence[Gap]) -> tuple[Mapping[str, Numbers], Mapping[str, Numbers]]:
    """Return by source the numbers of open gaps, and those of sources that went back."""
    events: dict[str, list[tuple[int, int]]] = defaultdict(list)
    went_back: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for gap in gaps:
        into = went_back if gap.reason is GapReason.SOURCE_WENT_BACK else events
        into[gap.source].append(gap.interval)
    return (
        {source: Numbers.of(intervals) for source, intervals in events.items()},
        {source: Numbers.of(intervals) for source, intervals in went_back.items()},
    )
