"""Forgetting in the service: refusals are codes, and a store that is away never holds up a term."""

import asyncio
from collections.abc import Sequence

import pytest

from yoyaku.audit_log.entrypoints.forgetting import ForgettingAgain, OnForget
from yoyaku.audit_log.usecases.forget import Forget, ForgetAgain, TombstonesAwayError
from yoyaku.contracts.rpc import AuditLogForgetRequest
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.postgres.errors import DatabaseUnavailableError

pytestmark = pytest.mark.requirement("AU-06")


class Store:
    """Tombstones, keys and reports in memory; each can be away."""

    def __init__(self) -> None:
        self.tombstones: set[str] = set()
        self.keys: set[str] = {"person/1"}
        self.destroyed: list[str] = []
        self.is_away = False
        self.asked = 0
        self.has_destroyed = asyncio.Event()

    async def put(self, key_reference: str) -> None:
        if self.is_away:
            raise TombstonesAwayError("away")
        self.tombstones.add(key_reference)

    async def missing_of(self, forgotten: Sequence[str]) -> Sequence[str]:
        self.asked += 1
        if self.is_away:
            raise TombstonesAwayError("away")
        return sorted(self.tombstones - set(forgotten))

    async def destroy(self, key_references: Sequence[str]) -> Sequence[str]:
        had = [one for one in key_references if one in self.keys]
        self.keys -= set(key_references)
        self.destroyed += key_references
        self.has_destroyed.set()
        return had

    async def forgotten(self) -> Sequence[str]:
        return self.destroyed

    async def sweep(self) -> int:
        return 0

    async def told(self, key_reference: str, requested_by: str) -> None:
        if key_reference == "person/unlucky":
            raise DatabaseUnavailableError("away")


def asked(store: Store, who: str) -> "asyncio.Future[object]":
    on_forget = OnForget(Forget(store, store, store), lambda _: bytes(16), lambda _: None)
    return asyncio.ensure_future(on_forget(AuditLogForgetRequest(requested_by="operator", key_reference=who)))


@pytest.mark.parametrize(
    ("who", "is_away", "code"),
    [("nobody", False, "invalid_request"), ("person/1", True, "unavailable"), ("person/unlucky", False, "unavailable")],
)
async def test_what_goes_wrong_is_a_code(who: str, is_away: bool, code: str) -> None:
    store = Store()
    store.is_away = is_away
    with pytest.raises(RpcFailedError) as refused:
        await asked(store, who)
    assert refused.value.code == code
    assert store.keys == {"person/1"}


async def test_an_address_is_forgotten_by_its_digest() -> None:
    store = Store()
    await asked(store, "address/192.0.2.7")
    assert store.tombstones == {f"client/{bytes(16).hex()}"}


async def test_a_store_that_is_away_holds_up_no_term_and_is_asked_again() -> None:
    store = Store()
    store.tombstones, store.is_away = {"person/1"}, True
    again = ForgettingAgain(ForgetAgain(store, store))
    await again.first()
    assert store.keys == {"person/1"}
    ended = asyncio.Event()
    working = asyncio.create_task(again.go_on(ended))
    await asyncio.sleep(0.01)
    store.is_away = False
    async with asyncio.timeout(10):
        await store.has_destroyed.wait()
    ended.set()
    await working
    assert store.keys == set()
    assert store.asked >= 2
