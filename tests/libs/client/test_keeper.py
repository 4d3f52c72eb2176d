"""A refresh is sent once for all who need it, and never where it would look like a stolen token."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.client import Client, Session, TransportError
from yoyaku.client.errors import NotAuthenticatedError, UnavailableError, YoyakuError
from yoyaku.client.session_file import FileSessions
from yoyaku.client.sessions import MemorySessions

pytestmark = pytest.mark.requirement("ID-03")


class Unlocked(MemorySessions):
    """A store that several clients share without a lock between them."""

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        yield


def refreshes(bench: Any) -> int:
    return bench.double.paths().count("POST /auth/refresh")


async def test_an_expired_token_is_renewed_and_the_request_sent_again(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    await signed_in.reservations.place(**bench.wish)
    assert bench.double.paths() == ["POST /reservations", "POST /auth/refresh", "POST /reservations"]
    assert len({r.headers["idempotency-key"] for r in bench.double.requests if "reservations" in r.url.path}) == 1


async def test_a_change_without_a_key_goes_through_after_a_401_too(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    bench.double.canned["DELETE", "/calendars/1"] = httpx.Response(204)
    await signed_in.calendars.revoke("1")
    assert bench.double.paths() == ["DELETE /calendars/1", "POST /auth/refresh", "DELETE /calendars/1"]


async def test_a_second_401_is_told(bench: Any, signed_in: Client) -> None:
    bench.double.canned["GET", "/users/me"] = bench.problem(401, "not-authenticated")
    with pytest.raises(NotAuthenticatedError):
        await signed_in.people.me()
    assert bench.double.paths() == ["GET /users/me", "POST /auth/refresh", "GET /users/me"]


async def test_a_hundred_tasks_share_one_refresh(bench: Any, signed_in: Client, until: Any) -> None:
    bench.double.expire_access_tokens()
    bench.double.gate = asyncio.Event()
    asking = [asyncio.create_task(signed_in.rooms.list().all()) for _ in range(100)]
    await until(lambda: bench.double.paths().count("GET /rooms") == 100 and refreshes(bench))
    bench.double.gate.set()
    await asyncio.gather(*asking)
    assert refreshes(bench) == 1


async def test_they_share_its_failure_as_well(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    bench.double.refreshes.clear()
    answers = await asyncio.gather(*(signed_in.rooms.list().all() for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {NotAuthenticatedError}
    assert refreshes(bench) == 1
    assert signed_in.session is None
    with pytest.raises(NotAuthenticatedError):
        await signed_in.rooms.list().all()
    assert refreshes(bench) == 1


async def test_who_gives_up_waiting_does_not_cut_the_refresh(bench: Any, signed_in: Client, until: Any) -> None:
    before = signed_in.session
    bench.double.gate = asyncio.Event()
    bench.double.expire_access_tokens()
    one = asyncio.create_task(signed_in.rooms.list().all())
    await until(lambda: refreshes(bench))
    one.cancel()
    bench.double.gate.set()
    await signed_in.rooms.list().all()
    assert refreshes(bench) == 1
    assert signed_in.session != before


async def test_two_processes_refresh_once(bench: Any, tmp_path: Path) -> None:
    async with bench.client(FileSessions(bench.url, tmp_path)) as one:
        await one.auth.log_in("hanako", bench.password)
        async with bench.client(FileSessions(bench.url, tmp_path)) as two:
            bench.double.expire_access_tokens()
            await asyncio.gather(*(client.rooms.list().all() for client in (one, two) for _ in range(5)))
            assert one.session == two.session
    assert refreshes(bench) == 1


async def test_the_loser_of_a_race_reads_the_session_of_the_winner(bench: Any) -> None:
    shared = Unlocked()
    async with bench.client(shared) as winner:
        await winner.auth.log_in("hanako", bench.password)
        async with bench.client(shared) as loser:
            bench.double.expire_access_tokens()
            stale = shared.load()
            assert stale is not None
            await winner.auth.refresh()
            fresh = shared.load()
            assert fresh is not None
            # The loser began before the winner stored what it got.
            shared.save(stale)
            slept = bench.clock.sleep

            async def winner_stores(seconds: float) -> None:
                await slept(seconds)
                shared.save(fresh)

            loser._keeper._sleep = winner_stores
            await loser.rooms.list().all()
            assert loser.session == fresh
    assert refreshes(bench) == 2
    assert bench.double.reused == 0


async def test_a_loser_whose_winner_never_stores_signs_in_again(bench: Any, signed_in: Client) -> None:
    session = signed_in.session
    assert session is not None
    await signed_in.auth.refresh()
    async with bench.client(MemorySessions(session)) as twin:
        bench.double.expire_access_tokens()
        with pytest.raises(NotAuthenticatedError):
            await twin.rooms.list().all()
        bench.clock.now += timedelta(minutes=1)
        with pytest.raises(NotAuthenticatedError):
            await twin.rooms.list().all()
    assert bench.double.reused == 0


async def test_a_lost_answer_is_asked_for_again_within_the_grace_only(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    bench.double.failures = deque(["none", "cut"])
    with pytest.raises(TransportError):
        await signed_in.rooms.list().all()
    assert refreshes(bench) == 1
    bench.clock.now += timedelta(minutes=1)
    with pytest.raises(NotAuthenticatedError):
        await signed_in.rooms.list().all()
    assert refreshes(bench) == 1
    assert bench.double.reused == 0


async def test_a_refresh_that_never_left_may_leave_later(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    bench.double.failures = deque(["none", "refused-connection"])
    with pytest.raises(TransportError):
        await signed_in.rooms.list().all()
    bench.clock.now += timedelta(hours=1)
    await signed_in.rooms.list().all()
    assert bench.double.reused == 0


async def test_an_unavailable_gateway_signs_nobody_out(bench: Any, signed_in: Client) -> None:
    bench.double.expire_access_tokens()
    bench.double.failures = deque(["none", "503:1"])
    with pytest.raises(UnavailableError):
        await signed_in.rooms.list().all()
    bench.clock.now += timedelta(hours=1)
    await signed_in.rooms.list().all()


steps = st.lists(
    st.tuples(
        st.sampled_from(["expire", "wait-3", "wait-60", "read"]),
        st.lists(st.sampled_from(["none", "cut", "slow", "503", "refused-connection"]), max_size=4),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_no_course_of_failures_looks_like_a_stolen_token(
    benches: Callable[[], Any], steps: list[tuple[str, list[str]]]
) -> None:
    bench = benches()
    store = Unlocked()
    async with bench.client(store) as one, bench.client(store) as two:
        await one.auth.log_in("hanako", bench.password)
        two._keeper._current = one.session
        for step, failures in steps:
            bench.double.failures = deque(failures)
            if step == "expire":
                bench.double.expire_access_tokens()
            elif step.startswith("wait-"):
                bench.clock.now += timedelta(seconds=int(step.removeprefix("wait-")))
            await asyncio.gather(one.rooms.list().all(), two.rooms.list().all(), return_exceptions=True)
            assert bench.double.reused == 0


async def test_a_sign_in_is_never_sent_twice(bench: Any) -> None:
    for failure in ("cut", "503:1", "slow"):
        bench.double.requests.clear()
        bench.double.failures = deque([failure])
        async with bench.client() as client:
            with pytest.raises(YoyakuError):
                await client.auth.log_in("hanako", bench.password)
        assert bench.double.paths() == ["POST /auth/login"]


async def test_logging_out_forgets_even_when_nobody_hears(bench: Any, signed_in: Client) -> None:
    bench.double.failures = deque(["refused-connection"])
    assert await signed_in.auth.log_out() is False
    assert signed_in.session is None


async def test_a_session_given_is_used(bench: Any, signed_in: Client) -> None:
    session = signed_in.session
    assert isinstance(session, Session)
    async with Client(bench.url, session=session, transport=bench.double) as other:
        assert await other.rooms.list().all() == []
