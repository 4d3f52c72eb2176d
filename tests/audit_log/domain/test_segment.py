"""Which months leave the database and the archive: no entry is lost, each is in exactly one place."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import (
    SETTLE,
    EpochSpan,
    HotMonth,
    KeptCheckpoint,
    Segment,
    SegmentNotWholeError,
    Whereabouts,
    covering,
    months_to_seal,
    partitions_to_drop,
    sealed_end,
    segments_over,
    whereabouts,
)

START = Month(2026, 1)
YEARS = 7


def sealed(hot: HotMonth) -> Segment:
    moment = hot.month.ends_at
    return Segment(hot.month, hot.epoch, hot.first_position, hot.entry_count, hot.last_position, b"", b"", 1, moment)


def months_of(counts: list[int]) -> list[HotMonth]:
    """A log with so many entries in each month; none, where the log was silent."""
    months, position = [], 0
    for index, count in enumerate(counts):
        if count:
            months.append(HotMonth(START.plus(index), 1, position, count, position + count - 1))
            position += count
    return months


@pytest.mark.requirement("AU-06")
@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    steps=st.lists(st.tuples(st.integers(0, 45), st.booleans(), st.booleans()), max_size=40),
)
def test_every_entry_is_hot_sealed_or_deleted_and_in_one_place_only(
    counts: list[int], steps: list[tuple[int, bool, bool]]
) -> None:
    log = months_of(counts)
    total = sum(counts)
    partitions = {START.plus(index) for index in range(len(counts))}
    segments: list[Segment] = []
    now = START.plus(len(counts) - 1).begins_at
    for days, seals, deletes in [*steps, (365 * 9, True, True)]:
        now += timedelta(days=days)
        hot = [one for one in log if one.month in partitions]
        if seals:
            for one in months_to_seal(hot, segments, now):
                assert now >= one.month.ends_at + SETTLE
                segments.append(sealed(one))
            partitions -= set(partitions_to_drop(partitions, hot, segments, now))
        if deletes:
            for over in segments_over(segments, now, YEARS):
                assert over.month.plus(12 * YEARS).ends_at <= now
                segments[segments.index(over)] = replace(over, deleted_at=now)
        found = [whereabouts(position, segments) for position in range(total)]
        # In order of position, and an entry that is hot is in a partition that is there.
        assert found == sorted(found, key=[Whereabouts.DELETED, Whereabouts.SEALED, Whereabouts.HOT].index)
        for one in log:
            here = found[one.first_position]
            assert {found[position] for position in range(one.first_position, one.last_position + 1)} == {here}
            assert here is not Whereabouts.HOT or one.month in partitions
            assert here is not Whereabouts.DELETED or one.month.plus(12 * YEARS).ends_at <= now
    # Long after, everything but the newest segment is gone, and no partition of a closed month is left.
    assert whereabouts(total, segments) is Whereabouts.HOT
    assert not partitions
    assert [segment.deleted_at is None for segment in segments] == [False] * (len(segments) - 1) + [True] * bool(
        segments
    )


@pytest.mark.requirement("AU-06")
@given(counts=st.lists(st.integers(1, 4), min_size=2, max_size=6), data=st.data())
def test_a_month_that_does_not_follow_without_a_gap_is_never_sealed(counts: list[int], data: st.DataObject) -> None:
    log = months_of(counts)
    index = data.draw(st.integers(0, len(log) - 1))
    bad = log[index]
    one_lost = replace(bad, entry_count=bad.entry_count - 1)
    begins_late = replace(bad, first_position=bad.first_position + 1, entry_count=bad.entry_count - 1)
    log[index] = data.draw(st.sampled_from([one_lost, begins_late]))
    now = START.plus(len(counts) + 1).begins_at
    with pytest.raises(SegmentNotWholeError):
        months_to_seal(log, [sealed(one) for one in log[:index]], now)


def test_a_month_is_sealed_when_it_is_over_and_has_settled() -> None:
    log = months_of([2, 3])
    closes = START.ends_at + SETTLE
    assert months_to_seal(log, [], closes - timedelta(microseconds=1)) == []
    assert months_to_seal(log, [], closes) == log[:1]


def test_the_smallest_cosigned_checkpoint_that_covers_a_month_vouches_for_it() -> None:
    def kept(size: int, *, is_cosigned: bool, epoch: int = 1) -> KeptCheckpoint:
        return KeptCheckpoint(epoch, size, b"", "", is_cosigned)

    open_epoch, ended = EpochSpan(1, "o", 0), EpochSpan(1, "o", 0, 20)
    known = [
        kept(9, is_cosigned=True),
        kept(10, is_cosigned=False),
        kept(12, is_cosigned=True),
        kept(30, is_cosigned=True),
        kept(11, is_cosigned=True, epoch=2),
    ]
    assert covering(known, open_epoch, 10, needs_cosignature=True) == known[2]
    assert covering(known, open_epoch, 10, needs_cosignature=False) == known[1]
    assert covering(known, open_epoch, 31, needs_cosignature=False) is None
    # A witness that has seen more of an abandoned epoch cosigns nothing smaller.
    assert covering(known, ended, 10, needs_cosignature=True) == known[1]


def test_a_segment_is_deleted_seven_years_after_its_month_and_the_newest_stays() -> None:
    first, second = (sealed(one) for one in months_of([1, 1]))
    over_at = datetime(2033, 2, 1, tzinfo=UTC)
    assert segments_over([first, second], over_at - timedelta(microseconds=1), YEARS) == []
    assert segments_over([first, second], over_at, YEARS) == [first]
    assert segments_over([first, second], over_at + timedelta(days=3650), YEARS) == [first]
    assert sealed_end([first, second]) == 2
