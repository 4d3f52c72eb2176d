import asyncio
import threading

import pytest

from yoyaku.booking.adapters.argon2.passwords import Argon2Passwords
from yoyaku.booking.domain.errors import BusyError


@pytest.mark.requirement("ID-02")
async def test_argon2id_at_owasps_parameters() -> None:
    async with Argon2Passwords(threads=1, waiting_limit=1) as passwords:
        stored = await passwords.hash("blue kettle on the roof")
        assert stored.startswith("$argon2id$v=19$m=9216,t=4,p=1$")
        assert await passwords.verify(stored, "blue kettle on the roof")
        assert not await passwords.verify(stored, "blue kettle on the floor")
        assert not await passwords.verify(None, "blue kettle on the roof")
        assert not await passwords.verify("no hash", "x")
        assert not passwords.is_outdated(stored)
    async with Argon2Passwords(threads=1, waiting_limit=1, memory_kib=19 * 1024, passes=2) as others:
        assert others.is_outdated(stored)
        assert await others.verify(stored, "blue kettle on the roof")


@pytest.mark.requirement("ID-02")
async def test_an_unknown_user_costs_a_hash_of_the_same_parameters() -> None:
    async with Argon2Passwords(threads=1, waiting_limit=1) as passwords:
        assert passwords._nobody.startswith("$argon2id$v=19$m=9216,t=4,p=1$")


@pytest.mark.requirement("ID-02")
async def test_bounded_and_off_the_loop() -> None:
    async with Argon2Passwords(threads=1, waiting_limit=2, memory_kib=64, passes=1) as passwords:
        held = threading.Event()
        blocked = asyncio.ensure_future(passwords._run(lambda: held.wait(20)))
        waiting = [asyncio.ensure_future(passwords.hash("x")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await passwords.hash("x")
        held.set()
        await asyncio.gather(blocked, *waiting)
        await passwords.hash("x")
