"""Which numbers of a source are missing, why, and up to where the source is complete. Pure: one look at one source.

Invariants: a number is called missing only after two looks at least the grace apart saw that it is not there, and only
when everything that the streams held at the first of them was handled by the second: what is under way is no gap. What
a producer has not published yet is none either. A number is found once: found gaps are left out of later looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from yoyaku.audit_log.domain.numbers import Interval, Numbers

NOTHING: Final = Numbers()
LONGEST_PAUSE: Final = timedelta(days=1)
"""Between two wishes for the same numbers."""
_MOST_DOUBLINGS: Final = 30


class GapReason(StrEnum):
    """Why numbers count as missing."""

    MISSING = "missing"
    """Later numbers of the source arrived."""
    UNSENT = "unsent"
    """The producer says that it published them; nothing later arrived."""
    SOURCE_WENT_BACK = "source_went_back"
    """They are recorded, and the producer counts from an older number: it was put back to an older state."""
    LOST_AT_SOURCE = "lost_at_source"
    """The producer gave them out and no longer has them."""

    @property
    def is_hopeful(self) -> bool:
        """Whether the events may still come; asking for them again makes sense."""
        return self in (GapReason.MISSING, GapReason.UNSENT)


class Resolution(StrEnum):
    """How a gap ended."""

    ARRIVED = "arrived"
    CAUGHT_UP = "caught_up"
    """The source that went back counts past the numbers again."""
    LOST = "lost"
    """It goes on as a gap of what is lost at the source."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a producer says of one source: numbers given out, published, and the first one after those that it has."""

    last: int
    published: int
    first_waiting: int | None

    @property
    def settled_to(self) -> int:
        """Return up to where every number has arrived or never will: published, or lost right after."""
        if self.published >= self.last:
            return self.published
        return self.last if self.first_waiting is None else self.first_waiting - 1


@dataclass(frozen=True, slots=True)
class Mark:
    """The moment of a look: monotonic seconds, and per stream the sequence of its newest message then."""

    seconds: float
    heads: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Handled:
    """How far one stream's events are recorded: all up to sequence `floor`, or all there are (`is_drained`)."""

    floor: int
    is_drained: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """What a look needs to know about time: its mark, and how far each stream was handled at or before it."""

    mark: Mark
    handled: Mapping[str, Handled]
    grace_seconds: float

    def settles(self, earlier: Mark) -> bool:
        """Whether what was under way at an earlier mark has arrived by now, or never will."""
        if self.mark.seconds - earlier.seconds < self.grace_seconds:
            return False
        return all(
            stream in self.handled and (self.handled[stream].is_drained or self.handled[stream].floor >= head)
            for stream, head in earlier.heads.items()
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look saw of one source.

    `missing`: the numbers in (`checked_to`, `examined_to`] that are not accounted for, gaps found before left out.
    `highest`: the highest number recorded. `counted`: none when the producer did not answer.
    """

    checked_to: int
    examined_to: int
    missing: Numbers
    highest: int
    counted: Counted | None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Numbers that a look did not find, and when that was."""

    numbers: Numbers
    since: Mark


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from a look: gaps found, what stays under suspicion, and up to where nothing is open but gaps."""

    found: Mapping[GapReason, Numbers]
    suspicions: Sequence[Suspicion]
    checked_to: int


def examined_to(highest: int, counted: Counted | None) -> int:
    """Return up to which number a source should be complete by now.

    A producer that answers is believed: what it still has to publish is under way, even when something later was
    published before (a full stream refuses the larger of two events). Without an answer it is what later numbers show.
    """
    return highest if counted is None else counted.settled_to


def judge(seen: Seen, before: Sequence[Suspicion], moment: Moment) -> Judgement:
    """Tell gaps from what is merely late. `before`: the suspicions that the last look left."""
    confirmed = NOTHING
    suspicions: list[Suspicion] = []
    fresh = seen.missing
    for suspicion in before:
        still = suspicion.numbers & seen.missing
        fresh = fresh - still
        if moment.settles(suspicion.since):
            confirmed = confirmed | still
        elif still:
            suspicions.append(Suspicion(still, suspicion.since))
    if fresh:
        suspicions.append(Suspicion(fresh, moment.mark))
    open_numbers = seen.missing - confirmed
    reached = open_numbers.first - 1 if open_numbers else seen.examined_to
    return Judgement(_by_reason(confirmed, seen), suspicions, max(seen.checked_to, reached))


def _by_reason(numbers: Numbers, seen: Seen) -> Mapping[GapReason, Numbers]:
    published = numbers if seen.counted is None else numbers.up_to(seen.counted.published)
    missing = published.up_to(seen.highest)
    parts = {
        GapReason.MISSING: missing,
        GapReason.UNSENT: published - missing,
        GapReason.LOST_AT_SOURCE: numbers - published,
    }
    return {reason: part for reason, part in parts.items() if part}


def gone_back(highest: int, counted: Counted | None, known: Numbers) -> Numbers:
    """Return recorded numbers that the producer has not given out, less those found before.

    `highest` was read before the producer was asked: what it had numbered by then it still counts, or it went back.
    """
    if counted is None or counted.last >= highest:
        return NOTHING
    return Numbers.of([(counted.last + 1, highest)]) - known


def has_caught_up(gap: Interval, counted: Counted | None) -> bool:
    """Whether a source that went back counts past these numbers again."""
    return counted is not None and counted.last >= gap.last


def is_due(now: datetime, asked_at: datetime | None, asked_count: int, first_pause: timedelta) -> bool:
    """Whether missing numbers are to be asked for: at once, then after pauses that double, up to a day."""
    if asked_at is None or asked_count == 0:
        return True
    doublings = min(asked_count - 1, _MOST_DOUBLINGS)
    pause: timedelta = first_pause * 2**doublings
    return now - asked_at >= min(pause, LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a source is complete: recorded up to `complete_to`, but for `lost` numbers that are named as lost."""

    complete_to: int
    lost: int


def reached(checked_to: int, hopeful: Numbers, lost: Numbers) -> Reached:
    """Return up to which number a source is complete: before the first gap that may still close."""
    complete_to = min(checked_to, hopeful.first - 1) if hopeful else checked_to
    return Reached(complete_to, lost.up_to(complete_to).count)
