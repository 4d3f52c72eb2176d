"""The window looks at the set of failures in event time, however they were delivered."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.window import bursts, in_event_time

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

pytestmark = pytest.mark.requirement("SD-02")

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SPAN = timedelta(seconds=60)


def failure(number: int, second: float) -> Failure:
    return Failure(f"e{number:03d}", "203.0.113.9", START + timedelta(seconds=second), "c")


failures = st.lists(st.floats(0, 300).map(lambda second: round(second, 1)), max_size=12).map(
    lambda seconds: [failure(number, second) for number, second in enumerate(seconds)]
)


@patient
@given(failures, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_and_duplicates_change_nothing(given_failures: list[Failure], chance: object, count: int) -> None:
    delivered = given_failures * 2
    chance.shuffle(delivered)  # type: ignore[attr-defined]
    assert list(bursts(delivered, count, SPAN)) == list(bursts(given_failures, count, SPAN))
    assert in_event_time(delivered) == in_event_time(given_failures)


@patient
@given(failures, st.integers(1, 4))
def test_a_burst_is_found_exactly_when_there_is_one(given_failures: list[Failure], count: int) -> None:
    there_is_one = any(
        max(one.occurred_at for one in some) - min(one.occurred_at for one in some) <= SPAN
        for some in combinations(given_failures, count)
    )
    found = list(bursts(given_failures, count, SPAN))
    assert bool(found) is there_is_one
    for run in found:
        assert len({one.event_id for one in run}) == count
        assert run[-1].occurred_at - run[0].occurred_at <= SPAN
    assert [run[-1].place for run in found] == sorted(run[-1].place for run in found)


def test_the_bound_is_part_of_the_window() -> None:
    assert list(bursts([failure(1, 0), failure(2, 60)], 2, SPAN))
    assert not list(bursts([failure(1, 0), failure(2, 60.001)], 2, SPAN))
