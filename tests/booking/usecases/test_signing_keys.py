"""Making, rotating and revoking signing keys, and what the table of keys promises."""

import itertools
from typing import Any

import pytest

from yoyaku.booking.domain.signing_key import (
    LEAD,
    KeyAlreadyComingError,
    KeyNotFoundError,
    OnlyKeyError,
    SigningKey,
    signer,
)
from yoyaku.booking.usecases.ports.signing_keys import KeyPair
from yoyaku.booking.usecases.revoke_key import RevokeKey
from yoyaku.booking.usecases.rotate_keys import RotateKeys
from yoyaku.contracts.identity_v1 import KeyRevoked, KeyRotated

numbers = itertools.count(1)


def make_pair() -> KeyPair:
    return KeyPair(f"key {next(numbers)}", b"p" * 32, b"sealed")


@pytest.fixture
def rotate(ports: Any) -> RotateKeys:
    return RotateKeys(ports, make_pair, ports.clock)


@pytest.fixture
def revoke(ports: Any) -> RevokeKey:
    return RevokeKey(ports, make_pair, ports.clock)


async def all_keys(ports: Any) -> list[SigningKey]:
    async with ports.begin() as tx:
        return list(await tx.signing_keys.all_for_change())


@pytest.mark.requirement("ID-08")
async def test_the_first_key_is_made_once(ports: Any, rotate: RotateKeys) -> None:
    made = await rotate.make_first()
    assert made is not None
    assert await rotate.make_first() is None
    assert await all_keys(ports) == [made]
    assert signer([made], ports.clock()) == made


@pytest.mark.requirement("ID-08")
async def test_rotation_keeps_the_old_key_until_its_tokens_are_over(ports: Any, rotate: RotateKeys) -> None:
    old = await rotate.make_first()
    assert old is not None
    new = await rotate()
    before, after = await all_keys(ports)
    assert (before.key_id, after) == (old.key_id, new)
    assert new.signs_from == ports.clock() + LEAD
    assert before.verifies_until is not None
    assert before.verifies_until > new.signs_from
    with pytest.raises(KeyAlreadyComingError):
        await rotate()
    assert len(await all_keys(ports)) == 2
    at_once = await rotate(at_once=True)
    assert signer(await all_keys(ports), ports.clock()) == at_once


@pytest.mark.requirement("ID-08")
async def test_the_only_key_is_not_revoked_without_another(ports: Any, rotate: RotateKeys, revoke: RevokeKey) -> None:
    old = await rotate.make_first()
    assert old is not None
    with pytest.raises(OnlyKeyError):
        await revoke(old.key_id)
    with pytest.raises(KeyNotFoundError):
        await revoke("nobody's")
    assert await all_keys(ports) == [old]
    new = await revoke(old.key_id, replace=True)
    gone, left = await all_keys(ports)
    assert (gone.revoked_at, left) == (ports.clock(), new)
    ports.clock.advance(seconds=1)
    assert await rotate.make_first() is None
    newer = await rotate(at_once=True)
    assert await revoke(new.key_id if new else "") is None
    assert signer(await all_keys(ports), ports.clock()) == newer


@pytest.mark.requirement("ID-08", "EV-03")
async def test_every_new_key_is_told(desk: Any) -> None:
    rotate = RotateKeys(desk.transactions, make_pair, desk.clock)
    first = await rotate.make_first()
    second = await rotate()
    assert first is not None
    assert desk.events() == [KeyRotated(key_id=key.key_id, signs_from=key.signs_from) for key in (first, second)]
    assert [emitted.actor for emitted in desk.transactions.state.events] == ["service/booking", "operator"]


@pytest.mark.requirement("ID-08", "EV-03")
async def test_a_revocation_is_told(desk: Any) -> None:
    first = await RotateKeys(desk.transactions, make_pair, desk.clock).make_first()
    assert first is not None
    revoke = RevokeKey(desk.transactions, make_pair, desk.clock)
    second = await revoke(first.key_id, replace=True)
    assert second is not None
    assert desk.events()[1:] == [
        KeyRotated(key_id=second.key_id, signs_from=desk.clock()),
        KeyRevoked(key_id=first.key_id, replaced_by=second.key_id),
    ]
    third = await RotateKeys(desk.transactions, make_pair, desk.clock)(at_once=True)
    await revoke(second.key_id)
    assert third is not None
    assert desk.events()[-1] == KeyRevoked(key_id=second.key_id)
