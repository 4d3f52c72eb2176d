"""What the ports of people and sessions promise, asked of the fakes and of PostgreSQL alike."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.session import RefreshToken, Session
from yoyaku.booking.usecases.ports.people import PeopleFilter

DAY = timedelta(days=1)


def session_of(person: Person, number: int, used_after: float = 0) -> tuple[Session, RefreshToken]:
    start = person.created_at
    used = start + timedelta(seconds=used_after)
    made = Session(UUID(int=number), person.id, start, used, start + DAY, start + 3 * DAY, start, "192.0.2.7")
    return made, RefreshToken(number.to_bytes(32, "big"), made.id, start, start + DAY)


@pytest.mark.requirement("ID-03")
async def test_a_family_of_tokens(ports: Any, person: Person) -> None:
    session, token = session_of(person, 1)
    fresh = replace(token, digest=b"f" * 32, issued_at=token.issued_at + DAY / 2, expires_at=token.expires_at + DAY)
    renewed = replace(
        session,
        last_used_at=fresh.issued_at,
        expires_at=fresh.expires_at,
        access_until=fresh.issued_at,
        client_address="::1",
    )
    async with ports.begin() as tx:
        await tx.people.add(person, "h")
        await tx.sessions.open(session, token)
    async with ports.begin() as tx:
        assert await tx.sessions.owner_of(token.digest) == (session.id, person.id)
        assert await tx.sessions.owner_of(fresh.digest) is None
        assert await tx.people.find_held(person.id) == person
        assert await tx.sessions.find_for_change(session.id) == session
        assert await tx.sessions.find_for_change(UUID(int=9)) is None
        assert await tx.sessions.token(token.digest) == token
        await tx.sessions.rotate(renewed, token, fresh)
    async with ports.begin() as tx:
        assert await tx.sessions.token(token.digest) == replace(token, used_at=fresh.issued_at)
        assert await tx.sessions.token(fresh.digest) == fresh
        assert await tx.sessions.find_for_change(session.id) == renewed
        await tx.sessions.revoke(session.id, fresh.issued_at)
    async with ports.begin() as tx:
        assert await tx.sessions.find_for_change(session.id) == replace(renewed, revoked_at=fresh.issued_at)
    assert await ports.reads.sessions(person.id, person.created_at, limit=9) == []


@pytest.mark.requirement("ID-04", "ID-06")
async def test_all_sessions_of_a_person_but_one(ports: Any, person: Person) -> None:
    other = replace(person, id=UUID(int=101), user_id="taro")
    made = [session_of(person, number, used_after=number) for number in (1, 2, 3)]
    strange = session_of(other, 4)
    async with ports.begin() as tx:
        await tx.people.add(person, "h")
        await tx.people.add(other, "h")
        for session, token in [*made, strange]:
            await tx.sessions.open(session, token)
    now = person.created_at + timedelta(seconds=10)
    listed = await ports.reads.sessions(person.id, now, limit=2)
    assert [session.id.int for session in listed] == [3, 2]
    assert await ports.reads.sessions(person.id, person.created_at + DAY, limit=2) == []
    async with ports.begin() as tx:
        ended = await tx.sessions.revoke_all(person.id, now, but=UUID(int=2))
    assert sorted(ended, key=lambda session: session.id) == [made[0][0], made[2][0]]
    async with ports.begin() as tx:
        assert await tx.sessions.revoke_all(person.id, now, but=UUID(int=2)) == []
        assert await tx.sessions.revoke_all(person.id, now, but=None) == [made[1][0]]
    assert [session.id.int for session in await ports.reads.sessions(other.id, now, limit=2)] == [4]


@pytest.mark.requirement("ID-06")
async def test_a_person_changes(ports: Any, person: Person) -> None:
    async with ports.begin() as tx:
        await tx.people.add(person, "h1")
        await tx.people.add(replace(person, id=UUID(int=8), user_id="boss", role=Role.ADMIN), "h")
    changed = replace(
        person,
        display_name="H",
        role=Role.ADMIN,
        disabled_at=person.created_at,
        not_before=person.created_at + timedelta(microseconds=1),
        version=2,
    )
    async with ports.begin() as tx:
        assert not await tx.people.has_other_admin(UUID(int=8))
        assert await tx.people.find_for_change(UUID(int=9)) is None
        assert await tx.people.find_for_change(person.id) == person
        await tx.people.change(changed)
        assert not await tx.people.has_other_admin(UUID(int=8))
    found = await ports.reads.credentials_of(person.id)
    assert (found.person, found.password_hash) == (changed, "h1")
    async with ports.begin() as tx:
        await tx.people.change(replace(changed, disabled_at=None), password_hash="h2")
        assert await tx.people.has_other_admin(UUID(int=8))
    assert (await ports.reads.credentials_of(person.id)).password_hash == "h2"
    assert await ports.reads.credentials_of(UUID(int=9)) is None


@pytest.mark.requirement("ID-06")
async def test_people_in_pages_by_what_is_asked(ports: Any, person: Person) -> None:
    people = [
        replace(person, id=UUID(int=1), user_id="aki", display_name="100% 秋"),
        replace(person, id=UUID(int=2), user_id="b.aki", display_name="Bo", role=Role.ADMIN),
        replace(person, id=UUID(int=3), user_id="ceko", display_name="AKIko", disabled_at=person.created_at),
    ]
    async with ports.begin() as tx:
        for one in people:
            await tx.people.add(one, "h")
            await tx.people.change(one)

    async def ids(wanted: PeopleFilter, after: str | None = None, limit: int = 9) -> list[int]:
        return [one.id.int for one in await ports.reads.people(wanted, after=after, limit=limit)]

    assert await ids(PeopleFilter()) == [1, 2, 3]
    assert await ids(PeopleFilter(), limit=2) == [1, 2]
    assert await ids(PeopleFilter(), after="aki") == [2, 3]
    assert await ids(PeopleFilter(text="AKI")) == [1, 2, 3]
    assert await ids(PeopleFilter(text="%")) == [1]
    assert await ids(PeopleFilter(text="_")) == []
    assert await ids(PeopleFilter(text="秋")) == [1]
    assert await ids(PeopleFilter(role=Role.ADMIN)) == [2]
    assert await ids(PeopleFilter(disabled=True)) == [3]
    assert await ids(PeopleFilter(disabled=False, text="aki")) == [1, 2]


@pytest.mark.requirement("ID-04")
async def test_denials_are_stored_once(ports: Any, person: Person) -> None:
    later = person.created_at + DAY
    async with ports.begin() as tx:
        await tx.denials.add(Denial(DenialKind.TOKEN, "t", later))
        await tx.denials.add(Denial(DenialKind.PERSON, str(person.id), later, person.created_at))
    async with ports.begin() as tx:
        await tx.denials.add(Denial(DenialKind.PERSON, str(person.id), later + DAY, later))
        await tx.denials.add(Denial(DenialKind.TOKEN, "t", later))
