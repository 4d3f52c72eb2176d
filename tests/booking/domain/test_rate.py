"""The limit as mathematics: what it lets through in any window, and that waiting as told is enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.rate import NANOSECONDS, Limit, judge, network_of, whole_seconds

LIMITS = st.builds(Limit.of, st.just("x"), st.integers(1, 1000), st.integers(1, 100))
GAPS = st.lists(st.integers(0, 5 * NANOSECONDS), max_size=200)


def accepted_times(limit: Limit, gaps: list[int]) -> list[int]:
    now, whole_at, accepted = 10**15, 0, []
    for gap in gaps:
        now += gap
        verdict = judge(limit, whole_at, now)
        if verdict.accepted:
            accepted.append(now)
            whole_at = verdict.whole_at_ns
    return accepted


@pytest.mark.requirement("GW-04")
@given(limit=LIMITS, gaps=GAPS)
def test_no_window_lets_more_through_than_quota_and_refill(limit: Limit, gaps: list[int]) -> None:
    accepted = accepted_times(limit, gaps)
    for first in range(len(accepted)):
        for last in range(first, len(accepted)):
            elapsed = accepted[last] - accepted[first]
            assert last - first + 1 <= limit.quota + elapsed / limit.interval_ns


@pytest.mark.requirement("GW-04")
@given(limit=LIMITS)
def test_a_fresh_key_may_use_its_whole_quota_at_once_and_not_more(limit: Limit) -> None:
    assert len(accepted_times(limit, [0] * (limit.quota + 3))) == limit.quota


@pytest.mark.requirement("GW-04")
@given(limit=LIMITS, gaps=GAPS)
def test_what_remains_is_what_is_accepted_next(limit: Limit, gaps: list[int]) -> None:
    now, whole_at = 10**15, 0
    for gap in gaps:
        now += gap
        verdict = judge(limit, whole_at, now)
        whole_at = verdict.whole_at_ns if verdict.accepted else whole_at
    if gaps:
        left = 0
        while (verdict_now := judge(limit, whole_at, now)).accepted:
            whole_at, left = verdict_now.whole_at_ns, left + 1
        assert left == verdict.remaining


@pytest.mark.requirement("GW-04")
@given(limit=LIMITS, whole_at=st.integers(0, 2**63), now=st.integers(0, 2**62))
def test_waiting_as_told_is_enough_whatever_was_stored(limit: Limit, whole_at: int, now: int) -> None:
    verdict = judge(limit, whole_at, now)
    assert 0 < verdict.wait_ns <= limit.interval_ns * limit.quota
    if not verdict.accepted:
        assert judge(limit, min(whole_at, verdict.whole_at_ns), now + verdict.wait_ns).accepted
        assert whole_seconds(verdict.wait_ns) * NANOSECONDS >= verdict.wait_ns


@pytest.mark.requirement("GW-04")
def test_one_client_has_a_whole_ipv6_network() -> None:
    assert network_of("2001:db8::1", 64) == network_of("2001:db8::ffff:1", 64) == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1", 64) != network_of("2001:db8::1", 64)
    assert network_of("2001:db8:0:1::1", 48) == network_of("2001:db8::1", 48)
    assert network_of("192.0.2.7", 64) == "192.0.2.7"
    assert network_of("fe80::1%eth0", 64) == network_of("fe80::2%eth0", 64)
    assert network_of("unknown", 64) == "unknown"
