"""Sessions and people as use cases: who may, what is said, what ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from yoyaku.booking.domain.denials import DenialKind, DeniedTokens
from yoyaku.booking.domain.errors import (
    LastAdminError,
    NotPermittedError,
    RefreshSupersededError,
    RuleBrokenError,
    SessionNotFoundError,
    SignInAgainError,
    SignInFailedError,
    StaleVersionError,
)
from yoyaku.booking.domain.expected_version import ANY_VERSION, ExpectedVersion
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.change_person import PersonChange
from yoyaku.booking.usecases.create_person import NewPerson
from yoyaku.booking.usecases.issue_tokens import SignedIn
from yoyaku.booking.usecases.log_in import Attempt
from yoyaku.booking.usecases.ports.people import PeopleFilter
from yoyaku.booking.usecases.refresh_session import Refreshing
from yoyaku.contracts.identity_v1 import RevocationReason

WORDS = "blue kettle on the roof"
NEW_WORDS = "green kettle on the roof"


def attempt(user_id: str = "hanako", password: str = WORDS) -> Attempt:
    return Attempt(user_id, password, "192.0.2.7", "curl/8")


def presented(tokens: SignedIn) -> Refreshing:
    return Refreshing(tokens.refresh_token, "192.0.2.8", "curl/8")


@pytest.fixture
async def admin(desk: Any) -> Caller:
    made = await desk.create_person.first_admin("boss", WORDS)
    return Caller(made.id, Role.ADMIN, "192.0.2.1")


@pytest.fixture
async def hanako(desk: Any, admin: Caller) -> Person:
    made: Person = await desk.create_person(admin, NewPerson("hanako", "花子", Role.USER, WORDS))
    desk.transactions.state.events.clear()
    return made


def newest_caller(desk: Any) -> Caller:
    """Return who the access token issued last speaks for."""
    person, session_id, _ = desk.tokens.issued[-1]
    return Caller(person.id, person.role, "192.0.2.7", None, session_id, "jti", desk.clock().timestamp() + 900)


def kinds(desk: Any) -> list[str]:
    return [type(event).__name__ for event in desk.events()]


def denied(desk: Any) -> DeniedTokens:
    """Return what a process refuses that hears the news; one that reads the table must refuse the same."""
    heard, read = DeniedTokens(), DeniedTokens()
    for denial in desk.announced:
        heard.put(denial)
    for denial in desk.transactions.state.denials.values():
        read.put(denial)
    assert vars(heard) == vars(read)
    return heard


def is_refused(desk: Any, number: int = -1) -> bool:
    person, session_id, issued_at = desk.tokens.issued[number]
    return denied(desk).refuses(
        token_id="?", session_id=session_id, person_id=person.id, issued_at=issued_at.timestamp()
    )


@pytest.mark.requirement("ID-03")
async def test_rotation_grace_and_theft(desk: Any, hanako: Person) -> None:
    first = await desk.log_in(attempt())
    second = await desk.refresh(presented(first))
    desk.clock.advance(seconds=10)
    with pytest.raises(RefreshSupersededError):
        await desk.refresh(presented(first))
    third = await desk.refresh(presented(second))
    assert not desk.announced
    desk.clock.advance(seconds=0.1)
    with pytest.raises(SignInAgainError) as caught:
        await desk.refresh(presented(first))
    assert caught.value.reused
    assert is_refused(desk)
    for over in (second, third):
        with pytest.raises(SignInAgainError) as caught:
            await desk.refresh(presented(over))
        assert not caught.value.reused
    assert kinds(desk) == ["LoginSucceeded", "TokenRefreshed", "TokenRefreshed", "TokenReused", "SessionRevoked"]
    revoked = desk.events()[-1]
    assert (revoked.reason, revoked.client_address) == (RevocationReason.TOKEN_REUSED, "192.0.2.8")
    assert all(event.user_agent_digest for event in desk.events()[:-1])
    everything = "".join(event.model_dump_json() for event in desk.events())
    assert "secret" not in everything


@pytest.mark.requirement("ID-03")
async def test_thirty_days_of_silence_or_ninety_of_use_end_it(desk: Any, hanako: Person) -> None:
    silent = await desk.log_in(attempt())
    used = await desk.log_in(attempt())
    assert silent.refresh_expires_in_seconds == 30 * 86400
    for _ in range(4):
        desk.clock.advance(seconds=20 * 86400)
        used = await desk.refresh(presented(used))
    with pytest.raises(SignInAgainError):
        await desk.refresh(presented(silent))
    assert used.refresh_expires_in_seconds == 10 * 86400
    desk.clock.advance(seconds=10 * 86400)
    with pytest.raises(SignInAgainError):
        await desk.refresh(presented(used))


@pytest.mark.requirement("ID-04")
async def test_signing_out_ends_one_session_once(desk: Any, hanako: Person) -> None:
    tokens = await desk.log_in(attempt())
    caller = newest_caller(desk)
    elsewhere = await desk.log_in(attempt())
    await desk.log_out(caller)
    await desk.log_out(caller)
    await desk.log_out.with_refresh_token(tokens.refresh_token, "192.0.2.7")
    await desk.log_out.with_refresh_token("nobody's", "192.0.2.7")
    assert kinds(desk).count("SessionRevoked") == 1
    assert {denial.kind for denial in desk.announced} == {DenialKind.TOKEN, DenialKind.SESSION}
    assert all(denial.until > desk.clock() + timedelta(seconds=900) for denial in desk.announced)
    assert is_refused(desk, 0)
    assert not is_refused(desk, 1)
    await desk.refresh(presented(elsewhere))


@pytest.mark.requirement("ID-04")
async def test_another_persons_session_is_not_found(desk: Any, hanako: Person, admin: Caller) -> None:
    await desk.log_in(attempt())
    caller = newest_caller(desk)
    (session,) = await desk.list_sessions(caller)
    with pytest.raises(SessionNotFoundError):
        await desk.revoke_session(admin, session.id)
    await desk.revoke_session(caller, session.id)
    with pytest.raises(SessionNotFoundError):
        await desk.revoke_session(caller, session.id)
    assert await desk.list_sessions(caller) == []


@pytest.mark.requirement("ID-06")
@pytest.mark.parametrize("change", ["disabled", "password", "role"])
async def test_what_changes_trust_ends_every_session(desk: Any, hanako: Person, admin: Caller, change: str) -> None:
    signed_in = [await desk.log_in(attempt()) for _ in range(3)]
    desk.transactions.state.events.clear()
    if change == "disabled":
        await desk.disable_person(admin, hanako.id)
    elif change == "password":
        assert await desk.reset_password(admin, hanako.id, None) == "generated and hard to guess"
    else:
        await desk.change_person(admin, hanako.id, PersonChange(role=Role.OPERATOR), ANY_VERSION)
    assert all(is_refused(desk, number) for number in range(3))
    for tokens in signed_in:
        with pytest.raises(SignInAgainError):
            await desk.refresh(presented(tokens))
    said = "PersonDisabled" if change == "disabled" else "PersonChanged"
    assert sorted(kinds(desk)) == [said, *["SessionRevoked"] * 3]
    reasons = {event.reason.value for event in desk.events() if hasattr(event, "reason")}
    assert reasons == {{"disabled": "person_disabled", "password": "password_changed", "role": "role_changed"}[change]}


@pytest.mark.requirement("ID-06")
async def test_the_token_after_a_reset_is_good_though_the_clock_stands_still(
    desk: Any, hanako: Person, admin: Caller
) -> None:
    for _ in range(3):
        await desk.log_in(attempt())
        await desk.reset_password(admin, hanako.id, WORDS)
        assert is_refused(desk)
        await desk.log_in(attempt())
        assert not is_refused(desk)


@pytest.mark.requirement("ID-06")
async def test_a_clock_that_is_ahead_saves_no_token(desk: Any, hanako: Person, admin: Caller) -> None:
    desk.clock.advance(seconds=5)
    await desk.log_in(attempt())
    desk.clock.advance(seconds=-5)
    await desk.disable_person(admin, hanako.id)
    assert is_refused(desk)


@pytest.mark.requirement("ID-01", "ID-06")
async def test_a_password_that_was_replaced_while_it_was_looked_at_opens_nothing(
    desk: Any, hanako: Person, admin: Caller
) -> None:
    verify = desk.passwords.verify

    async def slow(stored: str | None, password: str) -> bool:
        right: bool = await verify(stored, password)
        await desk.reset_password(admin, hanako.id, NEW_WORDS)
        return right

    desk.passwords.verify = slow
    with pytest.raises(SignInFailedError):
        await desk.log_in(attempt())
    assert not desk.transactions.state.sessions


@pytest.mark.requirement("ID-06")
async def test_disabling_twice_says_so_once_and_enabling_brings_no_token_back(
    desk: Any, hanako: Person, admin: Caller
) -> None:
    await desk.log_in(attempt())
    desk.transactions.state.events.clear()
    for _ in range(2):
        assert (await desk.disable_person(admin, hanako.id)).disabled_at is not None
    for _ in range(2):
        assert (await desk.enable_person(admin, hanako.id)).disabled_at is None
    assert kinds(desk) == ["SessionRevoked", "PersonDisabled", "PersonChanged"]
    assert is_refused(desk)
    await desk.log_in(attempt())
    assert not is_refused(desk)


@pytest.mark.requirement("ID-06")
async def test_the_last_admin_stays(desk: Any, hanako: Person, admin: Caller) -> None:
    with pytest.raises(LastAdminError):
        await desk.disable_person(admin, admin.person_id)
    with pytest.raises(LastAdminError):
        await desk.change_person(admin, admin.person_id, PersonChange(role=Role.USER), ANY_VERSION)
    await desk.change_person(admin, hanako.id, PersonChange(role=Role.ADMIN), ANY_VERSION)
    await desk.disable_person(admin, admin.person_id)
    with pytest.raises(LastAdminError):
        await desk.disable_person(Caller(hanako.id, Role.ADMIN, "192.0.2.1"), hanako.id)


@pytest.mark.requirement("ID-06")
async def test_a_change_needs_the_version_that_was_seen_and_says_which_fields(
    desk: Any, hanako: Person, admin: Caller
) -> None:
    with pytest.raises(StaleVersionError):
        await desk.change_person(admin, hanako.id, PersonChange("X"), ExpectedVersion(frozenset({2})))
    with pytest.raises(RuleBrokenError):
        await desk.change_person(admin, hanako.id, PersonChange("\u200b"), ANY_VERSION)
    changed = await desk.change_person(admin, hanako.id, PersonChange(" Hana "), ExpectedVersion(frozenset({1})))
    assert (changed.display_name, changed.version, changed.not_before) == ("Hana", 2, None)
    assert await desk.change_person(admin, hanako.id, PersonChange("Hana"), ANY_VERSION) == changed
    (event,) = desk.events()
    assert event.changed == ("display_name",)
    assert "Hana" not in event.model_dump_json()


@pytest.mark.requirement("ID-02")
async def test_the_own_password_needs_the_current_one_and_ends_the_other_sessions(desk: Any, hanako: Person) -> None:
    elsewhere = await desk.log_in(attempt())
    here = await desk.log_in(attempt())
    caller = newest_caller(desk)
    with pytest.raises(RuleBrokenError) as caught:
        await desk.change_password(caller, current="wrong", new=NEW_WORDS)
    assert [(broken.field, broken.code) for broken in caught.value.violations] == [
        ("current_password", "wrong-password")
    ]
    assert kinds(desk)[-1] == "LoginFailed"
    await desk.change_password(caller, current=WORDS, new=NEW_WORDS)
    assert is_refused(desk, 0)
    assert not is_refused(desk, 1)
    with pytest.raises(SignInAgainError):
        await desk.refresh(presented(elsewhere))
    await desk.refresh(presented(here))
    await desk.log_in(attempt(password=NEW_WORDS))


@pytest.mark.requirement("ID-05")
async def test_only_an_admin_manages_people(
    desk: Any, hanako: Person, admin: Caller, caller: Callable[..., Caller]
) -> None:
    for role in (Role.USER, Role.OPERATOR):
        asking = caller(role)
        for attempted in (
            lambda who: desk.list_people(who, PeopleFilter(), after=None, limit=1),
            lambda who: desk.get_person(who, hanako.id),
            lambda who: desk.change_person(who, hanako.id, PersonChange("x"), ANY_VERSION),
            lambda who: desk.disable_person(who, hanako.id),
            lambda who: desk.enable_person(who, hanako.id),
            lambda who: desk.reset_password(who, hanako.id, None),
        ):
            with pytest.raises(NotPermittedError):
                await attempted(asking)
    own = await desk.get_person(Caller(hanako.id, Role.USER, "192.0.2.1"), hanako.id)
    assert own == hanako
    assert set(kinds(desk)) == {"AccessDenied"}
