"""Sets of numbers as intervals agree with plain sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.domain.numbers import Interval, Numbers

pytestmark = pytest.mark.requirement("AU-04")

PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


def members(pairs) -> set[int]:
    return {number for first, last in pairs for number in range(first, last + 1)}


@settings(max_examples=150)
@given(PAIRS, PAIRS)
def test_they_are_sets(one, other) -> None:
    a, b = Numbers.of(one), Numbers.of(other)
    for made, expected in (
        (a, members(one)),
        (a | b, members(one) | members(other)),
        (a & b, members(one) & members(other)),
        (a - b, members(one) - members(other)),
        (a.up_to(15), {n for n in members(one) if n <= 15}),
    ):
        assert members(made) == expected
        assert made.count == len(expected)
        assert bool(made) == bool(expected)
        if expected:
            assert made.first == min(expected)
        assert all(left.last + 1 < right.first for left, right in zip(made.intervals, made.intervals[1:], strict=False))
        assert made == Numbers.of((n, n) for n in expected)


def test_a_long_run_is_one_interval() -> None:
    assert Numbers.of([(1, 2**62)]) - Numbers.of([(5, 5)]) == Numbers((Interval(1, 4), Interval(6, 2**62)))
