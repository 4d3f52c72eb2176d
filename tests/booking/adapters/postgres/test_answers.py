"""Kept answers where fakes cannot follow: twins in flight, and expiry."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from yoyaku.booking.adapters.postgres.answers import PostgresAnswers, expire_answers
from yoyaku.booking.domain.errors import RequestInProgressError
from yoyaku.booking.usecases.ports.answers import StoredAnswer
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.transaction import transaction
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database

PERSON = UUID(int=1)
DAY = timedelta(hours=24)


@pytest.mark.requirement("BK-04")
async def test_a_twin_in_flight_is_turned_away_at_once_and_answered_afterwards(
    database: Callable[..., Awaitable[Database]], clock: SetClock
) -> None:
    made = await database("yoyaku.booking")
    async with connected_pool(made.service, application_name="tests") as pool:
        async with transaction(pool) as first:
            one = PostgresAnswers(first, keep_for=DAY)
            assert await one.claim(PERSON, "k", b"f", clock()) is None
            with pytest.raises(RequestInProgressError):
                async with transaction(pool) as second:
                    await PostgresAnswers(second, keep_for=DAY).claim(PERSON, "k", b"f", clock())
            async with transaction(pool) as other:
                assert await PostgresAnswers(other, keep_for=DAY).claim(UUID(int=2), "k", b"f", clock()) is None
            await one.keep(PERSON, "k", b"f", StoredAnswer(201, b"{}"), clock())
        async with transaction(pool) as third:
            assert await PostgresAnswers(third, keep_for=DAY).claim(PERSON, "k", b"f", clock()) is not None


@pytest.mark.requirement("BK-04")
async def test_answers_expire(database: Callable[..., Awaitable[Database]], clock: SetClock) -> None:
    made = await database("yoyaku.booking")
    async with connected_pool(made.service, application_name="tests") as pool:
        for key in ("a", "b", "c"):
            async with transaction(pool) as connection:
                await PostgresAnswers(connection, keep_for=DAY).keep(PERSON, key, b"f", StoredAnswer(201, b""), clock())
            clock.advance(hours=1)
        async with transaction(pool) as connection:
            assert await expire_answers(connection, clock.advance(hours=22), limit=10) == 2
        async with transaction(pool) as connection:
            assert await PostgresAnswers(connection, keep_for=DAY).claim(PERSON, "a", b"other", clock()) is None
            assert await PostgresAnswers(connection, keep_for=DAY).claim(PERSON, "c", b"f", clock()) is not None
