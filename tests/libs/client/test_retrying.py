"""What is safe is tried again, within bounds; what is not is sent once."""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.client import Client, ProblemError, TransportError
from yoyaku.client.errors import ConflictError, TooManyRequestsError, UnavailableError, YoyakuError
from yoyaku.client.retrying import Patience, is_passing, persistently

FAILURES = ["none", "cut", "slow", "503", "503:2", "503:90", "429:1", "refused-connection", "in-progress", "html"]
plans = st.lists(st.sampled_from(FAILURES), max_size=9)
often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@often
@given(plan=plans)
async def test_a_booking_is_placed_once_whatever_happens_to_its_requests(
    benches: Callable[[], Any], plan: list[str]
) -> None:
    bench = benches()
    async with bench.client() as client:
        await client.auth.log_in("hanako", bench.password)
        bench.double.requests.clear()
        bench.double.failures = deque(plan)
        began = bench.clock.now
        try:
            placed = await client.reservations.place(**bench.wish)
        except YoyakuError:
            assert len(bench.double.placed) <= 1
        else:
            assert [one["id"] for one in bench.double.placed.values()] == [placed.id]
        sent = bench.double.requests
        assert len({request.headers["idempotency-key"] for request in sent}) == 1
        assert len(sent) <= Patience().attempts
        assert (bench.clock.now - began).total_seconds() < Patience().total_seconds


@often
@given(plan=plans)
async def test_what_has_no_key_is_sent_once(benches: Callable[[], Any], plan: list[str]) -> None:
    bench = benches()
    async with bench.client() as client:
        await client.auth.log_in("hanako", bench.password)
        bench.double.requests.clear()
        bench.double.failures = deque(plan)
        with pytest.raises(YoyakuError):
            await client.reservations.cancel("0190")
        assert bench.double.paths() == ["POST /reservations/0190/cancel"]
        assert bench.clock.slept == []


async def test_each_booking_has_a_key_of_its_own(bench: Any, signed_in: Client) -> None:
    await signed_in.reservations.place(**bench.wish)
    await signed_in.reservations.place(**bench.wish)
    await signed_in.reservations.place(**bench.wish, key="mine")
    keys = [request.headers["idempotency-key"] for request in bench.double.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


async def test_the_wait_is_what_the_gateway_asks_for_and_a_little_more(bench: Any, signed_in: Client) -> None:
    bench.double.failures = deque(["503:2", "429:3", "in-progress"])
    await signed_in.reservations.place(**bench.wish)
    assert [(2 <= one <= 2.5, 3 <= two <= 3.75, 1 <= three <= 1.25) for one, two, three in [bench.clock.slept]] == [
        (True, True, True)
    ]


async def test_without_being_asked_the_wait_doubles(bench: Any, signed_in: Client) -> None:
    bench.double.failures = deque(["cut", "cut", "cut", "cut"])
    await signed_in.reservations.place(**bench.wish)
    lengths = bench.clock.slept
    assert [low <= length <= low * 1.25 for low, length in zip([0.1, 0.2, 0.4, 0.8], lengths, strict=True)] == [
        True
    ] * 4


async def test_a_longer_wait_than_the_patience_is_told_at_once(bench: Any, signed_in: Client) -> None:
    bench.double.failures = deque(["503:90"])
    with pytest.raises(UnavailableError) as refused:
        await signed_in.reservations.place(**bench.wish)
    assert refused.value.retry_after_seconds == 90
    assert bench.clock.slept == []
    assert len(bench.double.requests) == 1


async def test_a_refusal_for_good_is_not_repeated(bench: Any, signed_in: Client) -> None:
    bench.double.canned["POST", "/reservations"] = bench.problem(409, "room-already-reserved")
    with pytest.raises(ConflictError):
        await signed_in.reservations.place(**bench.wish)
    assert len(bench.double.requests) == 1


async def test_waits_of_many_clients_differ() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def refused() -> None:
        raise TooManyRequestsError(status=429, code="c", title="t", retry_after_seconds=1)

    for _ in range(20):
        with pytest.raises(TooManyRequestsError):
            await persistently(refused, Patience(attempts=2, sleep=sleep))
    assert len(waits) == 20
    assert len(set(waits)) > 10


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (TransportError("x"), True),
        (UnavailableError(status=503, code="busy", title="t"), True),
        (UnavailableError(status=502, code="service-refused", title="t"), False),
        (ProblemError(status=500, code="internal-error", title="t"), False),
        (ConflictError(status=409, code="request-in-progress", title="t"), True),
        (ConflictError(status=409, code="room-already-reserved", title="t"), False),
        (ValueError("x"), False),
    ],
)
def test_which_refusals_pass(error: Exception, *, passing: bool) -> None:
    assert is_passing(error) is passing
