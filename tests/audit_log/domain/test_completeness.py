"""What is a gap, what is merely late, and up to where a source is complete."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.domain.completeness import (
    NOTHING,
    Counted,
    GapReason,
    Handled,
    Mark,
    Moment,
    Reached,
    Seen,
    Suspicion,
    examined_to,
    gone_back,
    has_caught_up,
    is_due,
    judge,
    reached,
)
from yoyaku.audit_log.domain.numbers import Interval, Numbers

pytestmark = pytest.mark.requirement("AU-04")

GRACE = 30.0
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def numbers(*values: int) -> Numbers:
    return Numbers.of((value, value) for value in values)


def moment(seconds: float, *, floor: int = 0, drained: bool = True, head: int = 0) -> Moment:
    return Moment(Mark(seconds, {"BOOKING": head}), {"BOOKING": Handled(floor, drained)}, GRACE)


def seen(missing: Numbers, *, to: int = 10, highest: int = 10, counted: Counted | None = None) -> Seen:
    return Seen(0, to, missing, highest, counted)


def test_a_number_is_missing_when_two_looks_the_grace_apart_do_not_find_it() -> None:
    first = judge(seen(numbers(4)), [], moment(0))
    assert (first.found, first.checked_to) == ({}, 3)
    early = judge(seen(numbers(4)), first.suspicions, moment(29))
    assert (early.found, early.checked_to) == ({}, 3)
    late = judge(seen(numbers(4)), early.suspicions, moment(30))
    assert late.found == {GapReason.MISSING: numbers(4)}
    assert (late.suspicions, late.checked_to) == ([], 10)


def test_what_arrives_between_two_looks_was_under_way() -> None:
    first = judge(seen(numbers(4, 7)), [], moment(0))
    second = judge(seen(numbers(7)), first.suspicions, moment(60))
    assert second.found == {GapReason.MISSING: numbers(7)}


def test_what_lies_in_a_stream_unread_is_under_way_for_as_long_as_it_lies_there() -> None:
    first = judge(seen(numbers(4)), [], moment(0, head=500, drained=False))
    waiting = judge(seen(numbers(4)), first.suspicions, moment(3600, floor=499, drained=False, head=900))
    assert (waiting.found, waiting.checked_to) == ({}, 3)
    handled = judge(seen(numbers(4)), waiting.suspicions, moment(3601, floor=500, drained=False, head=900))
    assert handled.found == {GapReason.MISSING: numbers(4)}


def test_a_stream_that_was_not_looked_at_settles_nothing() -> None:
    first = judge(seen(numbers(4)), [], moment(0))
    second = judge(seen(numbers(4)), first.suspicions, Moment(Mark(99, {}), {}, GRACE))
    assert (second.found, second.checked_to) == ({}, 3)


@pytest.mark.parametrize(
    ("counted", "found"),
    [
        (None, {GapReason.MISSING: numbers(2, 9)}),
        (Counted(9, 9, None), {GapReason.MISSING: numbers(2), GapReason.UNSENT: numbers(9)}),
        (
            Counted(9, 5, None),
            {GapReason.MISSING: numbers(2), GapReason.LOST_AT_SOURCE: numbers(9)},
        ),
    ],
)
def test_each_gap_has_its_reason(counted: Counted | None, found: dict[GapReason, Numbers]) -> None:
    highest = 10 if counted is None else 8
    look = seen(numbers(2, 9), to=9, highest=highest, counted=counted)
    assert judge(look, judge(look, [], moment(0)).suspicions, moment(60)).found == found


def test_a_producer_is_believed_about_what_it_has_still_to_publish() -> None:
    # A full stream stored 6 before the larger 5, so the cursor stands at 4 (decision 0021).
    assert examined_to(highest=6, counted=Counted(7, 4, 5)) == 4
    assert examined_to(highest=6, counted=None) == 6
    assert examined_to(highest=6, counted=Counted(9, 4, 8)) == 7
    assert examined_to(highest=6, counted=Counted(9, 4, None)) == 9
    assert examined_to(highest=6, counted=Counted(9, 9, None)) == 9


def test_a_source_that_counts_from_an_older_number_went_back() -> None:
    assert gone_back(20, Counted(12, 12, None), NOTHING) == Numbers.of([(13, 20)])
    assert gone_back(20, Counted(14, 14, None), Numbers.of([(13, 20)])) == NOTHING
    assert gone_back(20, Counted(10, 10, None), Numbers.of([(13, 20)])) == Numbers.of([(11, 12)])
    assert gone_back(20, Counted(20, 11, 12), NOTHING) == NOTHING
    assert gone_back(20, None, NOTHING) == NOTHING
    assert not has_caught_up(Interval(13, 20), Counted(19, 19, None))
    assert has_caught_up(Interval(13, 20), Counted(20, 13, 14))
    assert not has_caught_up(Interval(13, 20), None)


def test_wishes_come_at_once_and_then_ever_more_rarely() -> None:
    minute = timedelta(minutes=1)
    assert is_due(NOON, None, 0, minute)
    assert not is_due(NOON, NOON - timedelta(seconds=59), 1, minute)
    assert is_due(NOON, NOON - minute, 1, minute)
    assert not is_due(NOON, NOON - 3 * minute, 3, minute)
    assert is_due(NOON, NOON - 4 * minute, 3, minute)
    assert not is_due(NOON, NOON - timedelta(hours=23), 10_000, minute)
    assert is_due(NOON, NOON - timedelta(days=1), 10_000, minute)


def test_a_source_is_complete_up_to_the_first_gap_that_may_close() -> None:
    assert reached(10, NOTHING, NOTHING) == Reached(10, 0)
    assert reached(10, numbers(4, 7), NOTHING) == Reached(3, 0)
    assert reached(10, numbers(14), NOTHING) == Reached(10, 0)
    assert reached(10, numbers(7), numbers(2, 3, 9)) == Reached(6, 2)


@settings(max_examples=120)
@given(
    lost=st.sets(st.integers(1, 20)),
    arrivals=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 400)), max_size=25),
    looks=st.lists(st.integers(1, 60), min_size=3, max_size=8),
)
def test_in_the_end_exactly_what_never_came_is_a_gap_and_each_number_is_found_once(
    lost: set[int], arrivals: list[tuple[int, int]], looks: list[int]
) -> None:
    """Numbers arrive at times of their own; looks are taken meanwhile, then two more long after the last arrival."""
    published, arrived_at = 20, dict.fromkeys(range(1, 21), 0) | dict(arrivals)
    now, checked, found, told = 0, 0, NOTHING, 0
    suspicions: list[Suspicion] = []
    for pause in [*looks, 1000, 1000]:
        now += pause
        there = {n for n, at in arrived_at.items() if at <= now and n not in lost}
        counted = Counted(published, published, None)
        missing = numbers(*(n for n in range(checked + 1, published + 1) if n not in there)) - found
        drained = all(at <= now for at in arrived_at.values())
        judgement = judge(
            Seen(checked, published, missing, max(there, default=0), counted),
            suspicions,
            moment(now, drained=drained, head=1),
        )
        for part in judgement.found.values():
            told += part.count
            found = found | part
        suspicions, checked = list(judgement.suspicions), judgement.checked_to
        assert all(n in there or (numbers(n) & found) for n in range(1, checked + 1))
    assert checked == published
    assert found == numbers(*lost)
    assert told == len(lost)
