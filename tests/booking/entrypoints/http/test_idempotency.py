"""An Idempotency-Key when the gateway dies, on real processes that are killed."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
import pytest

SLOT = {"starts_at": "2035-05-01T09:00:00+09:00", "ends_at": "2035-05-01T10:00:00+09:00"}
COUNT = "SELECT count(*) FROM reservation WHERE room_id = $1"


def kill_all(process: Any) -> None:
    """Kill the workers before the parent could tell them anything."""
    for child in psutil.Process(process.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    process.kill()
    process.wait()


async def send(house: Any, body: dict[str, Any], headers: dict[str, str]) -> asyncio.StreamWriter:
    """Send a booking and look at no answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", house.service.port)
    content = json.dumps(body).encode()
    lines = [
        "POST /api/v1/reservations HTTP/1.1",
        f"Host: 127.0.0.1:{house.service.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    await writer.drain()
    return writer


@pytest.mark.requirement("BK-04")
async def test_a_killed_gateway_books_once(own_house: Any, eventually: Callable[..., Awaitable[None]]) -> None:
    house = own_house
    room = (await house.make_room())["id"]
    admin = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    # A transaction sees the activity of others as it was when it first looked: what holds the lock cannot watch.
    holder = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    body = {"room_id": room, "title": "Weekly review", **SLOT}
    headers = {**house.hanako, "Idempotency-Key": str(uuid4())}

    # Killed before the commit: nothing was booked, and nothing is kept.
    async with holder.transaction():
        await holder.execute("SELECT 1 FROM room WHERE id = $1 FOR UPDATE", room)
        writer = await send(house, body, headers)

        async def waits() -> bool:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%room_now%'"
            return bool(await admin.fetchval(waiting))

        await eventually(waits)
        kill_all(house.service.processes[-1])
    writer.close()
    assert await admin.fetchval(COUNT, room) == 0

    # Killed after the commit, the answer lost: the repeat gets it.
    await house.service.start_gateway()
    writer = await send(house, body, headers)

    async def is_booked() -> bool:
        return bool(await admin.fetchval(COUNT, room))

    await eventually(is_booked)
    kill_all(house.service.processes[-1])
    writer.close()
    await house.service.start_gateway()
    answers = [await house.place(room, SLOT, headers=headers) for _ in range(2)]
    for answer in answers:
        assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
        assert answer.headers["Location"].endswith(answer.json()["id"])
        assert answer.headers["ETag"].startswith('"1-')
    assert answers[0].content == answers[1].content
    assert await admin.fetchval(COUNT, room) == 1
    await admin.close()
    await holder.close()


@pytest.mark.requirement("BK-04")
async def test_a_refusal_is_not_kept(house: Any) -> None:
    room = (await house.make_room())["id"]
    first = (await house.place(room, SLOT)).json()
    headers = {**house.taro, "Idempotency-Key": str(uuid4())}
    refused = await house.place(room, SLOT, headers=headers)
    assert (refused.status_code, "Idempotent-Replayed" in refused.headers) == (409, False)
    await house.client.delete(f"/api/v1/reservations/{first['id']}", headers=house.hanako)
    made = await house.place(room, SLOT, headers=headers)
    assert (made.status_code, "Idempotent-Replayed" in made.headers) == (201, False)
