"""Many who want the same, over HTTP on the real server: who wins, and what the others are told."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

SLOTS = [
    {
        "starts_at": f"2035-0{1 + number // 25}-{1 + number % 25:02}T09:00:00+09:00",
        "ends_at": f"2035-0{1 + number // 25}-{1 + number % 25:02}T10:00:00+09:00",
    }
    for number in range(50)
]
CLIENTS = 100
TRIES = 12
"""How many slots each client tries, one after the other, so that each slot is wanted by 24 of the hundred."""


@pytest.mark.requirement("BK-03", "PF-01")
async def test_a_hundred_race_for_fifty_slots(house: Any) -> None:
    room = await house.make_room(site=str(uuid4()))
    await house.make_room(site=room["site"])
    answers: list[Any] = []

    async def client(number: int) -> None:
        headers = house.hanako if number % 2 else house.taro
        wanted = [SLOTS[(number + step) % len(SLOTS)] for step in range(TRIES)]
        answers.extend([await house.place(room["id"], slot, headers=headers) for slot in wanted])

    async with asyncio.timeout(120):
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert Counter(answer.status_code for answer in answers) == {201: 50, 409: CLIENTS * TRIES - 50}
    won = Counter(answer.json()["starts_at"] for answer in answers if answer.status_code == 201)
    assert set(won.values()) == {1}
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {problem["code"] for problem in refused} == {"room-already-reserved"}
    assert all(len(problem["alternatives"]) == 3 for problem in refused)
    connection = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    overlaps = await connection.fetchval(
        "SELECT count(*) FROM reservation a JOIN reservation b ON a.room_id = b.room_id AND a.id < b.id"
        " AND a.occupied && b.occupied WHERE a.status = 'confirmed' AND b.status = 'confirmed'"
    )
    await connection.close()
    assert overlaps == 0


@pytest.mark.requirement("BK-03")
async def test_each_alternative_can_be_booked(house: Any) -> None:
    site = str(uuid4())
    about = {"site": site, "features": ["projector"], "buffer_after_minutes": 30, "capacity": 8}
    room = await house.make_room(**about)
    bigger = await house.make_room(**{**about, "capacity": 12, "features": ["projector", "whiteboard"]})
    for unlike in ({"capacity": 4}, {"features": []}, {"site": str(uuid4())}):
        await house.make_room(**{**about, **unlike})
    slot = {"starts_at": "2036-05-05T13:00:00+09:00", "ends_at": "2036-05-05T14:30:00+09:00"}
    assert (await house.place(room["id"], slot)).status_code == 201
    refused = await house.place(room["id"], slot, headers=house.taro)
    offered = refused.json()["alternatives"]
    assert [(one["kind"], one["room_id"], one["starts_at_local"][11:16]) for one in offered] == [
        ("same-room", room["id"], "11:00"), ("same-room", room["id"], "15:00"), ("like-room", bigger["id"], "13:00"),
    ]  # fmt: skip
    assert "Weekly" not in refused.text
    for one in offered:
        when = {"starts_at": one["starts_at"], "ends_at": one["ends_at_local"]}
        assert (await house.place(one["room_id"], when, headers=house.taro)).status_code == 201, one
    left = (await house.place(room["id"], slot, headers=house.taro)).json()["alternatives"]
    assert {one["kind"] for one in left} == {"same-room"}
