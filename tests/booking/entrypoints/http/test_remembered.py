"""Answers that are given again are those that would be made anew."""

from typing import Any

import pytest

from yoyaku.booking.entrypoints.http.remembered import LARGEST_BYTES, RememberedAnswers, answer_of

DAY = "2037-05-06"


def test_an_answer_is_found_under_its_mark_alone() -> None:
    remembered = RememberedAnswers()
    remembered.keep("a", answer_of("1", b"one", {}))
    found = remembered.find("a", "1")
    assert found is not None
    assert found.content == b"one"
    assert remembered.find("a", "2") is None
    assert remembered.find("b", "1") is None
    remembered.keep("a", answer_of("2", b"two", {}))
    assert remembered.find("a", "1") is None


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    remembered = RememberedAnswers(limit_bytes=250)
    for key in ("a", "b"):
        remembered.keep(key, answer_of("1", b"x" * 100, {}))
    remembered.find("a", "1")
    remembered.keep("c", answer_of("1", b"x" * 100, {}))
    assert [remembered.find(key, "1") is not None for key in ("a", "b", "c")] == [True, False, True]
    for _ in range(9):
        remembered.keep("c", answer_of("1", b"x" * 100, {}))
    assert remembered.find("a", "1") is not None


def test_a_large_answer_is_not_remembered() -> None:
    remembered = RememberedAnswers()
    remembered.keep("a", answer_of("1", b"one", {}))
    remembered.keep("a", answer_of("2", b"x" * (LARGEST_BYTES + 1), {}))
    assert remembered.find("a", "1") is None
    assert remembered.find("a", "2") is None


async def seen(house: Any, address: str) -> tuple[str, Any]:
    """Ask twice, so that the second answer is one given again."""
    first, again = [await house.client.get(address, headers=house.taro) for _ in range(2)]
    assert (first.status_code, first.content, first.headers["etag"]) == (200, again.content, again.headers["etag"])
    assert first.headers.get("link") == again.headers.get("link")
    known = await house.client.get(address, headers={**house.taro, "If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    return first.headers["etag"], first.json()


class Watcher:
    """Looks at one address again and again; each look must differ from the one before."""

    def __init__(self, house: Any, address: str) -> None:
        self.house = house
        self.address = address
        self.tag = ""

    async def look(self) -> Any:
        tag, body = await seen(self.house, self.address)
        assert tag != self.tag
        self.tag = tag
        return body


@pytest.mark.requirement("BK-08", "BK-09")
async def test_each_change_is_seen_at_once(house: Any) -> None:
    room = await house.make_room(buffer_after_minutes=30)
    own = Watcher(house, "/api/v1/reservations/my")
    plan = Watcher(house, f"/api/v1/rooms/{room['id']}/availability?date={DAY}")

    async def mine(made: Any) -> Any:
        return next((item for item in (await own.look())["items"] if item["id"] == made["id"]), None)

    async def busy() -> list[str]:
        return [one["kind"] for one in (await plan.look())["days"][0]["busy"]]

    assert await busy() == []
    slot = {"starts_at": f"{DAY}T10:00:00+09:00", "ends_at": f"{DAY}T11:00:00+09:00"}
    made = (await house.place(room["id"], slot, headers=house.taro)).json()
    assert (await mine(made))["status"] == "confirmed"
    assert "reservation" in await busy()

    address, headers = f"/api/v1/reservations/{made['id']}", {**house.taro, "If-Match": '"1"'}
    moved = await house.client.patch(address, json={"title": "Another title"}, headers=headers)
    assert moved.status_code == 200
    assert (await mine(made))["title"] == "Another title"

    gone = await house.client.post(f"{address}/cancel", json={"reason": "postponed"}, headers=house.taro)
    assert gone.status_code == 200
    assert (await mine(made))["status"] == "cancelled"
    assert await busy() == []

    closure = {"first_date": DAY, "last_date": DAY, "reason": "Works"}
    closed = await house.client.post(f"/api/v1/rooms/{room['id']}/closures", json=closure, headers=house.admin)
    assert closed.status_code == 201
    assert await busy() == ["closure"]


@pytest.mark.requirement("BK-09")
async def test_a_room_that_is_not_there(house: Any) -> None:
    answer = await house.client.get(f"/api/v1/rooms/2000000000/availability?date={DAY}", headers=house.taro)
    assert (answer.status_code, answer.json()["code"]) == (404, "room-not-found")
