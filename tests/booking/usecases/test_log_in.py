from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.domain.errors import PersonAlreadyExistsError, RuleBrokenError, SignInFailedError
from yoyaku.booking.domain.person import Role
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.create_person import NewPerson
from yoyaku.booking.usecases.log_in import Attempt
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason, LoginSucceeded, PersonCreated

WORDS = "blue kettle on the roof"


def attempt(user_id: str = "hanako", password: str = WORDS) -> Attempt:
    return Attempt(user_id, password, "127.0.0.1", "curl/8")


@pytest.fixture
async def hanako(desk: Any, caller: Callable[..., Caller]) -> Any:
    made = await desk.create_person(caller(Role.ADMIN), NewPerson("Hanako", "花子", Role.USER, WORDS))
    desk.transactions.state.events.clear()
    desk.passwords.work = 0
    return made


@pytest.mark.requirement("ID-01")
async def test_signed_in(desk: Any, hanako: Any) -> None:
    assert (await desk.log_in(attempt("HANAKO"))).access.text == "token of hanako"
    (event,) = desk.events()
    assert isinstance(event, LoginSucceeded)
    assert event.person_id == str(hanako.id)


@pytest.mark.requirement("ID-01", "ID-02")
@pytest.mark.parametrize("case", ["unknown", "wrong", "disabled"])
async def test_every_failure_costs_the_same_and_tells_nothing(desk: Any, hanako: Any, case: str) -> None:
    if case == "disabled":
        known = desk.transactions.state.people[hanako.id]
        gone = Credentials(replace(known.person, disabled_at=desk.clock()), known.password_hash)
        desk.transactions.state.people[hanako.id] = gone
    tried = {
        "unknown": attempt("my secret typed in the wrong field"),
        "wrong": attempt(password="x"),
        "disabled": attempt(),
    }[case]
    with pytest.raises(SignInFailedError) as caught:
        await desk.log_in(tried)
    assert str(caught.value) == ""
    assert desk.passwords.work == 1
    (event,) = desk.events()
    assert isinstance(event, LoginFailed)
    assert (
        event.reason
        is {
            "unknown": LoginFailureReason.UNKNOWN_USER,
            "wrong": LoginFailureReason.WRONG_PASSWORD,
            "disabled": LoginFailureReason.DISABLED,
        }[case]
    )
    assert "secret" not in event.model_dump_json()


@pytest.mark.requirement("ID-01", "ID-02")
async def test_three_hundred_guesses_cost_the_same_each(
    desk: Any, hanako: Any, caller: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted instead of time: look-ups, hashes, transactions and events of each guess."""
    taro = await desk.create_person(caller(Role.ADMIN), NewPerson("taro", "太郎", Role.USER, WORDS))
    known = desk.transactions.state.people[taro.id]
    gone = Credentials(replace(known.person, disabled_at=desk.clock()), known.password_hash)
    desk.transactions.state.people[taro.id] = gone
    begun: list[None] = []
    begin, find = desk.transactions.begin, desk.reads.credentials
    looked_up: list[str] = []

    async def counted(user_id: str) -> Any:
        looked_up.append(user_id)
        return await find(user_id)

    monkeypatch.setattr(desk.transactions, "begin", lambda: (begun.append(None), begin())[1])
    monkeypatch.setattr(desk.reads, "credentials", counted)
    costs = set()
    for number in range(100):
        for tried in (attempt(password=f"guess {number}"), attempt(f"nobody{number}"), attempt("taro")):
            begun.clear()
            looked_up.clear()
            desk.transactions.state.events.clear()
            hashed = desk.passwords.work
            with pytest.raises(SignInFailedError):
                await desk.log_in(tried)
            costs.add((desk.passwords.work - hashed, len(begun), len(looked_up), len(desk.events())))
    assert costs == {(1, 1, 1, 1)}


@pytest.mark.requirement("ID-02")
async def test_hashed_anew_when_parameters_changed(desk: Any, hanako: Any) -> None:
    def stored() -> str:
        kept: str = desk.transactions.state.people[hanako.id].password_hash
        return kept

    async with (
        Argon2Passwords(threads=1, waiting_limit=1, memory_kib=64, passes=1) as before,
        Argon2Passwords(threads=1, waiting_limit=1, memory_kib=128, passes=2) as today,
    ):
        known = desk.transactions.state.people[hanako.id]
        desk.transactions.state.people[hanako.id] = Credentials(known.person, await before.hash(WORDS))
        log_in = replace(desk.log_in, passwords=today)
        with pytest.raises(SignInFailedError):
            await log_in(attempt(password="wrong"))
        assert "$m=64,t=1," in stored()
        await log_in(attempt())
        assert "$m=128,t=2," in stored()
        made = stored()
        await log_in(attempt())
        assert stored() == made


@pytest.mark.requirement("ID-06")
async def test_the_first_admin_is_made_once(desk: Any) -> None:
    made = await desk.create_person.first_admin("admin", WORDS)
    assert made.role is Role.ADMIN
    (event,) = desk.events()
    assert isinstance(event, PersonCreated)
    assert desk.transactions.state.events[0].actor == "operator"
    with pytest.raises(PersonAlreadyExistsError):
        await desk.create_person.first_admin("other", WORDS)


@pytest.mark.requirement("ID-02", "ID-06")
async def test_all_that_is_wrong_with_a_person_is_named(desk: Any, caller: Callable[..., Caller]) -> None:
    with pytest.raises(RuleBrokenError) as caught:
        await desk.create_person(caller(Role.ADMIN), NewPerson("-", " ", Role.USER, "password"))
    assert [violation.field for violation in caught.value.violations] == ["user_id", "display_name", "password"]
