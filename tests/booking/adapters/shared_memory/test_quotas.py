"""The shared table: one count in every forked worker, and no growth under a flood of keys."""

import multiprocessing

import pytest

from yoyaku.booking.adapters.shared_memory.quotas import SharedQuotas
from yoyaku.booking.domain.rate import NANOSECONDS, Limit

LIMIT = Limit.of("address", 5, 60)
SECOND = Limit.of("person", 5, 60)


class Clock:
    def __init__(self) -> None:
        self.now = 10**15

    def __call__(self) -> int:
        return self.now


@pytest.mark.requirement("GW-04")
def test_keys_and_limits_are_counted_apart_and_refill() -> None:
    clock = Clock()
    quotas = SharedQuotas(1024, clock_ns=clock)
    assert [quotas.take(LIMIT, "a").accepted for _ in range(7)] == [True] * 5 + [False] * 2
    assert quotas.take(LIMIT, "b").accepted
    assert quotas.take(SECOND, "a").accepted
    clock.now += 12 * NANOSECONDS
    assert [quotas.take(LIMIT, "a").accepted for _ in range(2)] == [True, False]


@pytest.mark.requirement("GW-04")
def test_forked_processes_share_one_quota() -> None:
    quotas = SharedQuotas(1024)
    limit = Limit.of("address", 1000, 3600)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def use(key: str) -> None:
        results.put(sum(quotas.take(limit, key).accepted for _ in range(800)))

    # One after the other: what two at the same instant can miss is said where the table is.
    for _ in range(2):
        process = context.Process(target=use, args=("a",))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert [results.get(), results.get()] == [800, 200]


@pytest.mark.requirement("GW-04")
def test_processes_at_the_same_time_miss_little() -> None:
    quotas = SharedQuotas(1024)
    limit = Limit.of("address", 1000, 3600)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def use() -> None:
        results.put(sum(quotas.take(limit, "a").accepted for _ in range(1000)))

    processes = [context.Process(target=use) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # At worst each request of one worker is paired with one of the other.
    assert 1000 <= results.get() + results.get() <= 2000


@pytest.mark.requirement("GW-04", "SD-05")
def test_a_flood_of_keys_forgets_those_that_used_the_least() -> None:
    clock = Clock()
    quotas = SharedQuotas(1024, clock_ns=clock)
    forgotten = []
    quotas.on_eviction = lambda: forgotten.append(1)
    busy = [f"busy {number}" for number in range(50)]
    for key in busy:
        while quotas.take(LIMIT, key).accepted:
            pass
    for number in range(20_000):
        quotas.take(LIMIT, f"fresh {number}")
    still_refused = sum(not quotas.take(LIMIT, key).accepted for key in busy)
    assert still_refused == len(busy)
    assert len(forgotten) > 15_000
    clock.now += 600 * NANOSECONDS
    forgotten.clear()
    quotas.take(LIMIT, "later")
    assert not forgotten
