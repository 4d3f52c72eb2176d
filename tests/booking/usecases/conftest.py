"""Use cases over the ports in memory, and the ports themselves, in memory and on PostgreSQL."""

import importlib.util
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from yoyaku.booking.adapters.postgres.transactions import PostgresReads, PostgresTransactions, RememberedRooms
from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.session import SessionRules
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.cancel_reservation import CancelReservation
from yoyaku.booking.usecases.change_password import ChangePassword
from yoyaku.booking.usecases.change_person import ChangePerson
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.create_person import CreatePerson
from yoyaku.booking.usecases.create_room import CreateRoom
from yoyaku.booking.usecases.disable_person import DisablePerson
from yoyaku.booking.usecases.enable_person import EnablePerson
from yoyaku.booking.usecases.get_person import GetPerson
from yoyaku.booking.usecases.hold_again import Again
from yoyaku.booking.usecases.issue_tokens import IssueTokens
from yoyaku.booking.usecases.list_my_reservations import ListMyReservations
from yoyaku.booking.usecases.list_people import ListPeople
from yoyaku.booking.usecases.list_reservations import ListReservations
from yoyaku.booking.usecases.list_sessions import ListSessions
from yoyaku.booking.usecases.log_in import LogIn
from yoyaku.booking.usecases.log_out import LogOut
from yoyaku.booking.usecases.place_reservation import PlaceReservation
from yoyaku.booking.usecases.ports.rooms import NewRoom
from yoyaku.booking.usecases.refresh_session import RefreshSession
from yoyaku.booking.usecases.reschedule_reservation import RescheduleReservation
from yoyaku.booking.usecases.reset_password import ResetPassword
from yoyaku.booking.usecases.restore_reservation import RestoreReservation
from yoyaku.booking.usecases.revoke_session import RevokeSession
from yoyaku.booking.usecases.show_history import ShowHistory
from yoyaku.booking.usecases.suggest_alternatives import SuggestAlternatives
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database


def _load_fakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("booking_fakes", Path(__file__).with_name("fakes.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fakes = _load_fakes()


def ids() -> Callable[[], UUID]:
    numbers = itertools.count(1)
    return lambda: UUID(int=next(numbers))


class Desk(SimpleNamespace):
    """Every use case over one memory."""


@pytest.fixture
def caller() -> Callable[..., Caller]:
    return lambda role=Role.USER, number=100: Caller(UUID(int=number), role, "127.0.0.1")


def identity(
    transactions: Any, reads: Any, passwords: Any, check: CheckPermission, new_id: Callable[[], UUID], clock: SetClock
) -> dict[str, Any]:
    """Return the use cases about sessions and people; `announced` is what was told after commits."""
    announced: list[Denial] = []
    secrets = map("secret {}".format, itertools.count(1))
    tokens = fakes.PlainTokens(clock)
    issue = IssueTokens(tokens, lambda: next(secrets), SessionRules())
    common = frozenset({"password"})

    async def announce(denials: Sequence[Denial]) -> None:
        announced.extend(denials)

    def digest(text: str) -> str:
        return f"{'d' * 16}{len(text)}"

    def generate() -> str:
        return "generated and hard to guess"

    return {
        "announced": announced,
        "tokens": tokens,
        "log_in": LogIn(reads, transactions, passwords, issue, digest, new_id, clock),
        "refresh": RefreshSession(transactions, issue, announce, digest, clock),
        "log_out": LogOut(transactions, announce, clock),
        "list_sessions": ListSessions(reads, check, clock),
        "revoke_session": RevokeSession(transactions, check, announce, clock),
        "list_people": ListPeople(reads, check),
        "get_person": GetPerson(reads, check),
        "change_person": ChangePerson(transactions, check, announce, clock),
        "disable_person": DisablePerson(transactions, check, announce, clock),
        "enable_person": EnablePerson(transactions, check),
        "reset_password": ResetPassword(reads, transactions, passwords, check, common, generate, announce, clock),
        "change_password": ChangePassword(reads, transactions, passwords, check, common, announce, digest, clock),
    }


@pytest.fixture
def desk(clock: SetClock) -> Any:
    transactions = fakes.InMemoryTransactions()
    reads = fakes.InMemoryReads(transactions)
    passwords = fakes.PlainPasswords()
    check = CheckPermission(transactions)
    new_id = ids()
    rooms = RememberedRooms(reads)
    suggest = SuggestAlternatives(reads, BookingPolicy(), clock)
    return Desk(
        transactions=transactions,
        reads=reads,
        passwords=passwords,
        rooms=rooms,
        clock=clock,
        place=PlaceReservation(transactions, rooms, check, BookingPolicy(), new_id, clock, suggest),
        cancel=CancelReservation(reads, transactions, check, clock),
        reschedule=RescheduleReservation(Again(reads, rooms), transactions, check, BookingPolicy(), clock, suggest),
        restore=RestoreReservation(Again(reads, rooms), transactions, check, BookingPolicy(), clock),
        history=ShowHistory(reads, check),
        list=ListReservations(reads, check),
        list_my=ListMyReservations(reads, check),
        create_room=CreateRoom(transactions, check, clock),
        create_person=CreatePerson(transactions, passwords, check, frozenset({"password"}), new_id, clock),
        **identity(transactions, reads, passwords, check, new_id, clock),
        events=lambda: [emitted.event for emitted in transactions.state.events],
    )


@pytest.fixture
def new_room() -> NewRoom:
    return NewRoom(name="Fuji", site="Tokyo", capacity=8, time_zone="Asia/Tokyo")


@pytest_asyncio.fixture(params=["in memory", "postgres"])
async def ports(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Any]:
    """The ports, once in memory and once on PostgreSQL: both must keep the same promises."""
    if request.param == "in memory":
        transactions = fakes.InMemoryTransactions()

        async def facts() -> set[str]:
            return {emitted.subject for emitted in transactions.state.events}

        yield SimpleNamespace(
            begin=transactions.begin,
            place=transactions.place,
            reads=fakes.InMemoryReads(transactions),
            facts=facts,
            clock=clock,
        )
        return
    factory: Callable[..., Awaitable[Database]] = request.getfixturevalue("database_factory").create
    database = await factory("yoyaku.booking")
    async with connected_pool(database.service, application_name="tests") as pool:
        outbox = Outbox(service="booking", new_id=new_event_id, now=clock)
        real = PostgresTransactions(pool, outbox, keep_answers_for=timedelta(hours=24))

        async def stored_facts() -> set[str]:
            return {
                row["subject"] for row in await pool.fetch("SELECT headers->>'ce-subject' AS subject FROM outbox_event")
            }

        yield SimpleNamespace(
            begin=real.begin, place=real.place, reads=PostgresReads(pool), facts=stored_facts, clock=clock
        )
    await request.getfixturevalue("database_factory").drop(database)


@pytest.fixture
def person(clock: SetClock) -> Person:
    return Person(UUID(int=100), "hanako", "Hanako", Role.USER, clock())
