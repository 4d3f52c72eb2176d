"""Sessions where fakes cannot follow: what is deleted when, and denials that only grow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from yoyaku.booking.adapters.postgres.people import PostgresPeople
from yoyaku.booking.adapters.postgres.sessions import (
    PostgresDenials,
    PostgresSessions,
    expire_sessions,
    read_denials,
)
from yoyaku.booking.adapters.postgres.transactions import PostgresTransactions
from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.session import RefreshToken, Session
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.disable_person import DisablePerson
from yoyaku.booking.usecases.enable_person import EnablePerson
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.transaction import transaction
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database

HOUR = timedelta(hours=1)
OVER, REVOKED, LIVE = (UUID(int=number) for number in (1, 2, 3))


async def open_three(pool: Pool, clock: SetClock) -> None:
    """Open a session that ends in an hour, one that is revoked, one that lives for a day; access ends in an hour."""
    start = clock()
    person = Person(UUID(int=100), "hanako", "Hanako", Role.USER, start)
    async with transaction(pool) as connection:
        await PostgresPeople(connection).add(person, "h")
        sessions = PostgresSessions(connection)
        for session_id, hours in ((OVER, 1), (REVOKED, 24), (LIVE, 24)):
            end = start + hours * HOUR
            session = Session(session_id, person.id, start, start, end, end, start + HOUR, "192.0.2.7")
            await sessions.open(session, RefreshToken(session_id.bytes * 2, session_id, start, end))
        await sessions.revoke(REVOKED, start)


@pytest.mark.requirement("ID-03", "ID-04")
async def test_what_is_over_is_deleted_and_no_sooner(
    database: Callable[..., Awaitable[Database]], clock: SetClock
) -> None:
    made = await database("yoyaku.booking")
    async with connected_pool(made.service, application_name="tests") as pool:
        await open_three(pool, clock)
        async with transaction(pool) as connection:
            await PostgresDenials(connection).add(Denial(DenialKind.TOKEN, "t", clock() + HOUR))
            assert await expire_sessions(connection, clock.advance(minutes=59), limit=10) == 0
            assert await PostgresSessions(connection).find_for_change(REVOKED) is not None
        assert len(await read_denials(pool, clock())) == 1
        async with transaction(pool) as connection:
            assert await expire_sessions(connection, clock.advance(minutes=1), limit=10) == 2
            found = [await PostgresSessions(connection).find_for_change(number) for number in (OVER, REVOKED, LIVE)]
            tokens = [await PostgresSessions(connection).token(number.bytes * 2) for number in (OVER, REVOKED, LIVE)]
            assert [session is not None for session in found] == [False, False, True]
            assert [token is not None for token in tokens] == [False, False, True]
            assert await connection.fetchval("SELECT count(*) FROM denial") == 0


@pytest.mark.requirement("ID-06")
async def test_a_denial_only_grows(database: Callable[..., Awaitable[Database]], clock: SetClock) -> None:
    made = await database("yoyaku.booking")
    late = Denial(DenialKind.PERSON, "p", clock() + 2 * HOUR, clock() + HOUR)
    async with connected_pool(made.service, application_name="tests") as pool:
        for denial in (late, Denial(DenialKind.PERSON, "p", clock() + HOUR, clock())):
            async with transaction(pool) as connection:
                await PostgresDenials(connection).add(denial)
        assert await read_denials(pool, clock()) == [late]


@pytest.mark.requirement("ID-06")
async def test_of_two_admins_who_disable_each_other_one_stays(
    database: Callable[..., Awaitable[Database]], clock: SetClock
) -> None:
    made = await database("yoyaku.booking")
    one, other = (UUID(int=number) for number in (1, 2))

    async def announce(_: Sequence[Denial]) -> None:
        return

    async with connected_pool(made.service, application_name="tests") as pool:
        outbox = Outbox(service="booking", new_id=new_event_id, now=clock)
        transactions = PostgresTransactions(pool, outbox, keep_answers_for=HOUR)
        disable = DisablePerson(transactions, CheckPermission(transactions), announce, clock)
        enable = EnablePerson(transactions, CheckPermission(transactions))
        async with transaction(pool) as connection:
            for person_id in (one, other):
                admin = Person(person_id, f"boss{person_id.int}", "Boss", Role.ADMIN, clock())
                await PostgresPeople(connection).add(admin, "h")
        for _ in range(20):
            outcomes = await asyncio.gather(
                disable(Caller(one, Role.ADMIN, "192.0.2.1"), other),
                disable(Caller(other, Role.ADMIN, "192.0.2.1"), one),
                return_exceptions=True,
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastAdminError", "Person"]
            for person_id in (one, other):
                await enable(Caller(one, Role.ADMIN, "192.0.2.1"), person_id)
