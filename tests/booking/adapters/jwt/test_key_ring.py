"""The keys of a process: followed, read again for unknown ones, and bounded in it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from yoyaku.booking.adapters.jwt import key_ring
from yoyaku.booking.adapters.jwt.key_ring import KeyRing
from yoyaku.booking.adapters.jwt.sealing import Seal
from yoyaku.booking.domain.errors import ServiceUnavailableError
from yoyaku.booking.domain.signing_key import TOKEN_LIFETIME, SigningKey
from yoyaku.booking.usecases.ports.signing_keys import StoredKey
from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.waiting import eventually

SEAL = Seal(b"k" * 32)


class Table:
    """What the database holds."""

    def __init__(self) -> None:
        self.rows: list[StoredKey] = []
        self.reads = 0
        self.away = False

    def add(self, clock: SetClock, *, signs_in: float = 0, seal: Seal = SEAL) -> str:
        pair = seal.make_pair()
        key = SigningKey(pair.key_id, pair.public_key, clock(), clock() + timedelta(seconds=signs_in))
        self.rows.append(StoredKey(key, pair.sealed_private_key))
        return pair.key_id

    async def read(self) -> Sequence[StoredKey]:
        self.reads += 1
        if self.away:
            raise DatabaseUnavailableError("away")
        return list(self.rows)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def ring(table: Table, clock: SetClock) -> KeyRing:
    return KeyRing(table.read, SEAL, now=clock)


@pytest.mark.requirement("ID-08")
async def test_a_coming_key_is_published_and_verifies_before_it_signs(
    ring: KeyRing, table: Table, clock: SetClock
) -> None:
    first, second = table.add(clock), table.add(clock, signs_in=120)
    async with ring:
        assert ring.signer()[0] == first
        assert await ring.verifier(second) is not None
        assert [key["kid"] for key in json.loads(ring.published().body)["keys"]] == [first, second]
        clock.advance(seconds=120)
        assert ring.signer()[0] == second
    assert table.reads == 1


@pytest.mark.requirement("ID-08")
async def test_a_revoked_key_is_gone_with_the_next_reading(ring: KeyRing, table: Table, clock: SetClock) -> None:
    first, second = table.add(clock), table.add(clock)
    async with ring:
        before, tag = ring.edition, ring.published().etag
        table.rows = [row for row in table.rows if row.key.key_id != first]
        await ring.load()
        assert await ring.verifier(second) is not None
        assert await ring.verifier(first) is None
        assert ring.edition > before
        assert ring.published().etag != tag


@pytest.mark.requirement("ID-08")
async def test_unknown_keys_cost_one_reading_a_second_at_most(
    ring: KeyRing, table: Table, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "UNKNOWN_EVERY_SECONDS", 0.2)
    table.add(clock)
    async with ring:
        came_after = table.add(clock)
        started = asyncio.get_running_loop().time()
        asked = [ring.verifier("x" * 43) for _ in range(150)] + [ring.verifier("y" * 43), ring.verifier(came_after)]
        found = await asyncio.gather(*asked[:50], asked[-1], *asked[50:-1])
        assert [one is not None for one in found].index(True) == 50
        assert table.reads == 2
        assert asyncio.get_running_loop().time() - started >= 0.15


@pytest.mark.requirement("ID-08")
async def test_a_key_that_was_not_there_is_answered_at_once_and_found_when_it_comes(
    ring: KeyRing, table: Table, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "UNKNOWN_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(key_ring, "MISSED_LIMIT", 3)
    table.add(clock)
    async with ring:
        later = SEAL.make_pair().key_id
        for key_id in [later, *("x" * 42 + letter for letter in "abab"), later]:
            assert await ring.verifier(key_id) is None
        assert table.reads == 4
        later = table.add(clock)
        ring._missed[later] = float("inf")
        await ring.load()
        assert await ring.verifier(later) is not None


@pytest.mark.requirement("ID-08")
async def test_with_the_database_away_the_keys_stay_and_still_end(
    ring: KeyRing, table: Table, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "UNKNOWN_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(key_ring, "READ_EVERY_SECONDS", 0.001)
    first = table.add(clock)
    table.rows[0] = replace(
        table.rows[0], key=replace(table.rows[0].key, verifies_until=clock() + TOKEN_LIFETIME + timedelta(seconds=1))
    )
    async with ring:
        table.away = True
        following = asyncio.create_task(ring.follow())

        async def reads() -> int:
            return table.reads

        await eventually(reads, lambda seen: seen >= 4)
        assert not following.done()
        assert await ring.verifier(first) is not None
        with pytest.raises(DatabaseUnavailableError):
            await ring.verifier("x" * 43)
        clock.advance(seconds=2)
        with pytest.raises(ServiceUnavailableError):
            ring.signer()
        clock.advance(seconds=TOKEN_LIFETIME.total_seconds())
        assert await ring.verifier(first) is None
        table.away = False
        later = table.add(clock)

        async def published() -> bytes:
            return ring.published().body

        await eventually(published, lambda seen: later.encode() in seen)
        assert ring.signer()[0] == later
        following.cancel()


@pytest.mark.requirement("ID-08")
async def test_a_key_sealed_elsewhere_verifies_but_does_not_sign_here(
    ring: KeyRing, table: Table, clock: SetClock
) -> None:
    ours = table.add(clock)
    clock.advance(seconds=1)
    theirs = table.add(clock, seal=Seal(b"x" * 32))
    async with ring:
        assert ring.signer()[0] == ours
        assert await ring.verifier(theirs) is not None
        await ring.load()
        table.rows = [row for row in table.rows if row.key.key_id == theirs]
        await ring.load()
        with pytest.raises(ServiceUnavailableError):
            ring.signer()
