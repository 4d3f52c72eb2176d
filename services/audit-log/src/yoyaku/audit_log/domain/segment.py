"""Which months of entries leave the database for the archive, and which leave the archive for good (AU-06).

A **segment** is what one month holds of one epoch's tree. Invariant: segments are sealed in order of their positions
and without a gap, and deleted in that order, so that every position is in exactly one place: deleted below
`deleted_end`, sealed from there to `sealed_end`, hot from there on. What a partition still holds below `sealed_end` is
about to be dropped and is no longer read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from yoyaku.audit_log.domain.month import Month

SETTLE: Final = timedelta(hours=1)
"""How long after its end a month is sealed: its last checkpoint has been cosigned by then, or something is wrong."""


class SegmentError(Exception):
    """A month cannot be sealed as it stands."""


class SegmentNotWholeError(SegmentError):
    """The entries of a month do not follow the segment before without a gap."""


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """A tree. Its leaves are the positions from `first_position` up to (not including) `end_position`, if it ended."""

    epoch: int
    origin: str
    first_position: int
    end_position: int | None = None


@dataclass(frozen=True, slots=True)
class HotMonth:
    """What the hot table holds of one month and one epoch; at least one entry."""

    month: Month
    epoch: int
    first_position: int
    entry_count: int
    last_position: int


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that is kept for ever, with the cosignatures that it has so far in `note`."""

    epoch: int
    size: int
    root: bytes
    note: str
    is_cosigned: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed month of one epoch. `checkpoint_size` is that of the checkpoint which vouches for it."""

    month: Month
    epoch: int
    first_position: int
    entry_count: int
    checkpoint_size: int
    root: bytes
    """Of the tree that ends with this segment."""
    manifest_sha256: bytes
    stored_bytes: int
    sealed_at: datetime
    deleted_at: datetime | None = None

    @property
    def end_position(self) -> int:
        """The position after its last entry."""
        return self.first_position + self.entry_count


class Whereabouts(StrEnum):
    """Where an entry is."""

    HOT = "hot"
    """In the database."""
    SEALED = "sealed"
    """In the archive; its partition is dropped or about to be."""
    DELETED = "deleted"
    """Gone, by a recorded fact; its hash stays."""


def sealed_end(segments: Iterable[Segment]) -> int:
    """Return the first position that is not sealed (nor deleted): where reading goes on in the database."""
    return max((segment.end_position for segment in segments), default=0)


def deleted_end(segments: Iterable[Segment]) -> int:
    """Return the first position that is not deleted."""
    return max((segment.end_position for segment in segments if segment.deleted_at is not None), default=0)


def whereabouts(position: int, segments: Sequence[Segment]) -> Whereabouts:
    """Tell where the entry at a position is; every position is in exactly one place."""
    if position < deleted_end(segments):
        return Whereabouts.DELETED
    return Whereabouts.SEALED if position < sealed_end(segments) else Whereabouts.HOT


def is_closed(month: Month, head_time: datetime, settle: timedelta = SETTLE) -> bool:
    """Tell whether no entry will be recorded in a month any more, and its checkpoints have had time to be cosigned.

    `head_time`: the last time of recording. Times of recording never go back, so past the month's end none is in it.
    """
    return head_time >= month.ends_at + settle


def months_to_seal(
    hot: Iterable[HotMonth], segments: Sequence[Segment], head_time: datetime, settle: timedelta = SETTLE
) -> list[HotMonth]:
    """Return what is to be sealed, oldest first: each closed month that follows the one before without a gap.

    Raises SegmentNotWholeError at the first one that does not: entries are missing or too many, so nothing is sealed.
    """
    end = sealed_end(segments)
    due = []
    for one in sorted(hot, key=lambda one: one.first_position):
        if one.last_position < end:
            continue
        if not is_closed(one.month, head_time, settle):
            break
        if one.first_position != end or one.last_position - one.first_position + 1 != one.entry_count:
            raise SegmentNotWholeError(
                f"{one.month} of epoch {one.epoch} holds {one.entry_count} entries from position {one.first_position} "
                f"to {one.last_position}; sealed are the positions below {end}"
            )
        due.append(one)
        end = one.last_position + 1
    return due


def partitions_to_drop(
    partitions: Iterable[Month], hot: Iterable[HotMonth], segments: Sequence[Segment], head_time: datetime
) -> list[Month]:
    """Return the closed months of which every entry is sealed, or that hold none; oldest first."""
    end = sealed_end(segments)
    kept = {one.month for one in hot if one.last_position >= end}
    return [month for month in sorted(partitions) if month not in kept and is_closed(month, head_time, timedelta(0))]


def covering(
    checkpoints: Iterable[KeptCheckpoint], epoch: EpochSpan, size: int, *, needs_cosignature: bool
) -> KeptCheckpoint | None:
    """Return the smallest kept checkpoint of an epoch that covers its first `size` leaves, or none yet.

    Of an epoch that has ended, any signed one will do: a witness that has seen more of it cosigns nothing smaller.
    """
    needed = needs_cosignature and epoch.end_position is None
    fit = [
        one for one in checkpoints if one.epoch == epoch.epoch and one.size >= size and (one.is_cosigned or not needed)
    ]
    return min(fit, key=lambda one: one.size, default=None)


def segments_over(segments: Iterable[Segment], now: datetime, retention_years: int) -> list[Segment]:
    """Return the segments whose retention is over and that are not deleted yet, oldest first.

    A month is over so many years after its end. The first one that is not over keeps all later ones, and the newest one
    always stays: the next one's first bundle may begin with its last entries.
    """
    due = []
    for segment in sorted(segments, key=lambda segment: segment.first_position)[:-1]:
        if segment.month.plus(12 * retention_years).ends_at > now:
            break
        if segment.deleted_at is None:
            due.append(segment)
    return due
