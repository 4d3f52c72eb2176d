"""`yoyaku.client` and the commands for people against a real gateway."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from yoyaku.client import Client
from yoyaku.client.errors import ConflictError, NotAuthenticatedError, PreconditionFailedError
from yoyaku.client.session_file import FileSessions

PASSWORD = "kaigishitsu wo yoyaku 7"
START = datetime(2033, 5, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.requirement("BK-05", "ID-03", "ID-04")
async def test_a_booking_lives_through_the_client_and_so_does_a_session(house: Any) -> None:
    room_id = (await house.make_room())["id"]
    async with Client(house.service.url) as client:
        await client.auth.log_in("hanako", PASSWORD)
        booked = await client.reservations.place(room_id=room_id, starts_at=START, ends_at=START + HOUR, title="One")
        with pytest.raises(ConflictError) as taken:
            await client.reservations.place(room_id=room_id, starts_at=START, ends_at=START + HOUR, title="Two")
        assert taken.value.alternatives[0].room_id == room_id
        moved = await client.reservations.reschedule(
            booked.id, etag=booked.etag, starts_at=START + HOUR, ends_at=START + 2 * HOUR
        )
        with pytest.raises(PreconditionFailedError):
            await client.reservations.reschedule(booked.id, etag=booked.etag, title="Stale")
        assert (await client.reservations.get(booked.id)).etag == moved.etag
        assert booked.id in [one.id async for one in client.reservations.mine(page=1)]
        before = client.session
        assert (await client.auth.refresh()) != before
        assert not (await client.reservations.cancel(booked.id)).live
        assert await client.auth.log_out()
        with pytest.raises(NotAuthenticatedError):
            await client.people.me()


@pytest.mark.requirement("ID-03")
async def test_two_processes_whose_token_is_over_stay_signed_in_with_one_refresh(house: Any, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "YOYAKU_URL": house.service.url}
    sessions = FileSessions(house.service.url, tmp_path / "yoyaku" / "sessions")
    async with Client(house.service.url, session=sessions) as client:
        await client.auth.log_in("taro", PASSWORD)
        known = {one.id for one in await client.auth.sessions()}
        session = client.session
        assert session is not None
        sessions.save(replace(session, access_token=SecretStr("over")))

    async def typed() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("yoyaku"),
            "my",
            "--json",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    ended = await asyncio.gather(typed(), typed())
    assert [code for code, _ in ended] == [0, 0], ended
    assert all(isinstance(json.loads(out), list) for _, out in ended)
    async with Client(house.service.url, session=sessions) as client:
        assert {one.id for one in await client.auth.sessions()} == known
        await client.auth.refresh()
