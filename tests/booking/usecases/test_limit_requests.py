"""Whose requests are counted together, and what is told of those that were too many."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from yoyaku.booking.domain.rate import Limit, Verdict, judge
from yoyaku.booking.usecases.limit_requests import ADDRESS, SIGN_IN_ACCOUNT, LimitRequests, Limits, Refusal
from yoyaku.booking.usecases.report_throttled import ReportThrottled
from yoyaku.contracts.identity_v1 import RequestThrottled


class Quotas:
    """Quotas at a moment that does not pass."""

    def __init__(self) -> None:
        self.whole_at: dict[tuple[str, str], int] = {}

    def take(self, limit: Limit, key: str) -> Verdict:
        verdict = judge(limit, self.whole_at.get((limit.policy, key), 0), 10**18)
        if verdict.accepted:
            self.whole_at[limit.policy, key] = verdict.whole_at_ns
        return verdict


class Told:
    """Keeps the events of every transaction."""

    def __init__(self) -> None:
        self.events: list[RequestThrottled] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        yield self

    def emit(self, event: RequestThrottled, **_: Any) -> None:
        self.events.append(event)


def limiting(refusals: list[Refusal]) -> LimitRequests:
    limits = Limits(Limit.of(ADDRESS, 2, 60), None, None, Limit.of(SIGN_IN_ACCOUNT, 2, 60), 64)
    return LimitRequests(limits, Quotas(), refusals.append, lambda text: f"digest of {text}".ljust(32))


@pytest.mark.requirement("GW-04")
async def test_the_addresses_of_one_network_are_one_key_and_one_event() -> None:
    refusals: list[Refusal] = []
    limit = limiting(refusals)
    for host in range(1, 13):
        limit.by_address(f"2001:db8::{host:x}")
        limit.concurrent(f"2001:db8::{host:x}")
    assert {(one.policy, one.counted_as) for one in refusals} == {
        ("address", "2001:db8::/64"), ("concurrent", "2001:db8::/64"),
    }  # fmt: skip
    told: Any = Told()
    report = ReportThrottled(told)
    for one in refusals:
        report(one)
    await report.aclose()
    assert sorted((event.policy, event.client_address, event.count) for event in told.events) == [
        ("address", "2001:db8::3", 10), ("concurrent", "2001:db8::1", 12),
    ]  # fmt: skip
