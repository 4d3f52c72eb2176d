"""A reservation's life over HTTP: moved, given up, restored, and what is remembered of it."""

import asyncio
from typing import Any

import pytest


def slot(day: int, start: str, end: str) -> dict[str, str]:
    return {"starts_at": f"2034-02-{day:02}T{start}:00+09:00", "ends_at": f"2034-02-{day:02}T{end}:00+09:00"}


async def placed(house: Any, room_id: int, when: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = await house.place(room_id, when, **more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def patch(house: Any, made: dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> Any:
    headers = {"If-Match": f'"{made["version"]}"', **(headers or house.hanako)}
    return await house.client.patch(f"/api/v1/reservations/{made['id']}", json=body, headers=headers)


@pytest.mark.requirement("BK-05")
async def test_moved_under_its_etag(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(1, "09:00", "10:00"))
    address = f"/api/v1/reservations/{made['id']}"
    body = slot(1, "09:30", "11:00")
    missing = await house.client.patch(address, json=body, headers=house.hanako)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition-required")
    moved = await patch(house, made, **body)
    assert moved.status_code == 200, moved.text
    assert (moved.headers["ETag"][:3], moved.json()["starts_at"]) == ('"2-', "2034-02-01T00:30:00Z")
    stale = await patch(house, made, title="Other")
    assert (stale.status_code, stale.json()["code"], stale.headers["ETag"]) == (412, "precondition-failed", '"2"')
    assert (await house.place(room["id"], slot(1, "08:30", "09:30"), headers=house.taro)).status_code == 201
    same = await patch(house, moved.json(), title=made["title"])
    assert (same.status_code, same.headers["ETag"]) == (200, moved.headers["ETag"])


@pytest.mark.requirement("BK-05", "BK-03")
async def test_what_a_move_runs_into(house: Any) -> None:
    room, other = await house.make_room(), await house.make_room(time_zone="Europe/Berlin")
    made = await placed(house, room["id"], slot(2, "09:00", "10:00"))
    await placed(house, room["id"], slot(2, "10:00", "11:00"), headers=house.taro)
    taken = await patch(house, made, **slot(2, "09:30", "10:30"))
    assert (taken.status_code, taken.json()["code"]) == (409, "room-already-reserved")
    broken = await patch(house, made, ends_at="2034-02-02T20:10:00+09:00", title=" ")
    found = {(error["field"], error["code"]) for error in broken.json()["errors"]}
    assert found == {("ends_at", "off-grid"), ("ends_at", "longer-than-allowed"), ("title", "blank")}
    nowhere = await patch(house, made, room_id=2_000_000_000)
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "room-not-found")
    there = await patch(house, made, room_id=other["id"], title="Elsewhere")
    assert (there.json()["room_id"], there.json()["time_zone"]) == (other["id"], "Europe/Berlin")
    denied = await patch(house, there.json(), headers=house.taro, title="Mine")
    assert (denied.status_code, denied.json()["code"]) == (403, "not-permitted")
    assert (await patch(house, there.json(), headers=house.admin, title="By the admin")).status_code == 200


@pytest.mark.requirement("BK-05")
async def test_read_again_only_when_it_changed(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(3, "09:00", "10:00"))
    address = f"/api/v1/reservations/{made['id']}"
    for path in (address, f"/api/v1/reservations?room_id={room['id']}"):
        first = await house.client.get(path, headers=house.hanako)
        tag = first.headers["ETag"]
        known = await house.client.get(path, headers={**house.hanako, "If-None-Match": tag})
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
        made = (await patch(house, made, title=f"Title for {path[-4:]}")).json()
        again = await house.client.get(path, headers={**house.hanako, "If-None-Match": tag})
        assert again.status_code == 200
        assert again.headers["ETag"] != tag


@pytest.mark.requirement("BK-05")
async def test_one_version_shown_in_another_way_is_another_tag(house: Any) -> None:
    room = await house.make_room(time_zone="Asia/Tokyo")
    made = await placed(house, room["id"], slot(3, "09:00", "10:00"))
    address = f"/api/v1/reservations/{made['id']}"
    tag = (await house.client.get(address, headers=house.hanako)).headers["ETag"]
    stranger = await house.client.get(address, headers={**house.taro, "If-None-Match": tag})
    assert (stranger.status_code, stranger.json()["title"]) == (200, None)
    moved = {**house.admin, "If-Match": f'"{room["version"]}"'}
    changed = await house.client.patch(f"/api/v1/rooms/{room['id']}", json={"time_zone": "Asia/Kolkata"}, headers=moved)
    assert changed.status_code == 200, changed.text
    later = await house.client.get(address, headers={**house.hanako, "If-None-Match": tag})
    assert (later.status_code, later.json()["time_zone"]) == (200, "Asia/Kolkata")
    retitled = {**house.hanako, "If-Match": tag}
    assert (await house.client.patch(address, json={"title": "Kept"}, headers=retitled)).status_code == 200
    for stale in (tag, '"1"', '"02"', '"2-"', 'W/"2"'):
        again = await house.client.patch(address, json={"title": "Not"}, headers={**house.hanako, "If-Match": stale})
        assert again.status_code == 412, stale


@pytest.mark.requirement("BK-06")
async def test_deleted_in_short(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(4, "09:00", "10:00"))
    address = f"/api/v1/reservations/{made['id']}"
    stale = await house.client.delete(address, headers={**house.hanako, "If-Match": '"9"'})
    assert stale.status_code == 412
    wrong = await house.client.delete(f"{address}?reason=boredom", headers=house.hanako)
    assert wrong.status_code == 422
    gone = await house.client.delete(address, headers={**house.hanako, "If-Match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    read = (await house.client.get(address, headers=house.hanako)).json()
    assert (read["status"], read["cancellation"]["reason"]) == ("cancelled", "called_off")
    again = await house.client.delete(address, headers=house.hanako)
    assert (again.status_code, again.json()["code"]) == (409, "reservation-already-cancelled")
    moved = await patch(house, read, title="x")
    assert (moved.status_code, moved.json()["code"]) == (409, "reservation-already-cancelled")
    of_another = await placed(house, room["id"], slot(4, "09:00", "10:00"))
    query = {"reason": "maintenance", "comment": "pipes"}
    address = f"/api/v1/reservations/{of_another['id']}"
    assert (await house.client.delete(address, headers=house.admin)).status_code == 422
    assert (await house.client.delete(address, params=query, headers=house.admin)).status_code == 204


@pytest.mark.requirement("BK-07")
async def test_restored_while_it_is_free(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(5, "09:00", "10:00"))
    address = f"/api/v1/reservations/{made['id']}"
    body = {"comment": "by mistake"}
    holds = await house.client.post(f"{address}/restore", json=body, headers=house.admin)
    assert (holds.status_code, holds.json()["code"]) == (409, "reservation-not-cancelled")
    await house.client.delete(address, headers=house.hanako)
    back = await house.client.post(f"{address}/restore", json=body, headers=house.admin)
    assert (back.status_code, back.json()["status"], back.json()["version"]) == (200, "confirmed", 3)
    assert back.json()["cancellation"] is None
    await house.client.delete(address, headers=house.hanako)
    await placed(house, room["id"], slot(5, "09:30", "10:00"), headers=house.taro)
    taken = await house.client.post(f"{address}/restore", json=body, headers=house.admin)
    assert (taken.status_code, taken.json()["code"]) == (409, "room-already-reserved")
    silent = await house.client.post(f"{address}/restore", json={"comment": " "}, headers=house.admin)
    assert (silent.status_code, silent.json()["errors"][0]["code"]) == (422, "blank")


@pytest.mark.requirement("BK-07")
async def test_history_says_who_when_what_why_and_from_where(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(6, "09:00", "10:00"), title="Secret merger")
    address = f"/api/v1/reservations/{made['id']}"
    await patch(house, made, title="Review", starts_at="2034-02-06T08:30:00+09:00")
    comment = {"reason": "maintenance", "comment": "leak"}
    await house.client.post(f"{address}/cancel", json=comment, headers=house.admin)
    await house.client.post(f"{address}/restore", json={"comment": "dry again"}, headers=house.admin)
    history = (await house.client.get(f"{address}/history", headers=house.admin)).json()["items"]
    assert [(item["version"], item["action"]) for item in history] == [
        (1, "place"), (2, "reschedule"), (3, "cancel"), (4, "restore"),
    ]  # fmt: skip
    assert history[0]["changes"]["title"] == {"from": None, "to": "Secret merger"}
    assert history[0]["changes"]["starts_at"] == {"from": None, "to": "2034-02-06T00:00:00Z"}
    assert history[1]["changes"] == {
        "title": {"from": "Secret merger", "to": "Review"},
        "starts_at": {"from": "2034-02-06T00:00:00Z", "to": "2034-02-05T23:30:00Z"},
    }
    assert history[1]["by"] == made["person_id"] != history[2]["by"]
    assert (history[2]["reason"], history[2]["comment"]) == ("maintenance", "leak")
    assert history[3]["changes"] == {"status": {"from": "cancelled", "to": "confirmed"}}
    assert {item["client_address"] for item in history} == {"127.0.0.1"}
    first = await house.client.get(f"{address}/history?limit=3", headers=house.admin)
    rest = await house.client.get(first.links["next"]["url"], headers=house.admin)
    assert first.json()["items"] + rest.json()["items"] == history
    assert "next" not in rest.links


@pytest.mark.requirement("BK-03", "BK-05")
async def test_moves_race_for_one_slot(house: Any) -> None:
    room = await house.make_room()
    starts = [f"{hour:02}:{minute}" for hour in range(24) for minute in ("00", "30")]
    spots = [slot(7, start, end) for start, end in zip(starts, [*starts[1:], "23:59"], strict=True)][:20]
    made = [await placed(house, room["id"], spot) for spot in spots]
    answers = await asyncio.gather(*(patch(house, one, **slot(8, "09:00", "09:30")) for one in made))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (len(made) - 1)


@pytest.mark.requirement("BK-03", "BK-05")
async def test_two_that_want_each_others_place_both_stay(house: Any) -> None:
    rooms = [await house.make_room(), await house.make_room()]
    when = slot(9, "09:00", "10:00")
    made = [await placed(house, room["id"], when) for room in rooms]
    for _ in range(5):
        answers = await asyncio.gather(
            patch(house, made[0], room_id=rooms[1]["id"]), patch(house, made[1], room_id=rooms[0]["id"])
        )
        assert [answer.status_code for answer in answers] == [409, 409]


@pytest.mark.requirement("BK-03", "BK-05")
async def test_of_changes_built_on_one_version_one_wins(house: Any) -> None:
    room = await house.make_room()
    made = await placed(house, room["id"], slot(10, "09:00", "10:00"))
    answers = await asyncio.gather(*(patch(house, made, title=f"Title {number}") for number in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    history = await house.client.get(f"/api/v1/reservations/{made['id']}/history", headers=house.admin)
    assert [item["version"] for item in history.json()["items"]] == [1, 2]
