"""Reservations over HTTP, on the real server."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

OVERLAP = "入力の時間帯はすでに予約済みです。"


@pytest.mark.requirement("BK-02", "BK-03")
async def test_booked_then_taken(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    slot = next_slot()
    made = await house.place(room["id"], slot)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["status"] == "confirmed"
    assert body["title"] == "Weekly review"
    assert made.headers["ETag"].startswith('"1-')
    assert made.headers["Location"] == f"/api/v1/reservations/{body['id']}"
    refused = await house.place(room["id"], slot, headers={**house.taro, "Accept-Language": "ja"})
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "room-already-reserved"
    assert refused.json()["detail"] == OVERLAP
    assert refused.json()["trace_id"] == refused.headers["X-Trace-Id"]


@pytest.mark.requirement("BK-03")
async def test_buffers_keep_neighbours_apart(house: Any) -> None:
    room = await house.make_room(buffer_after_minutes=30)
    first = {"starts_at": "2032-05-01T09:00:00+09:00", "ends_at": "2032-05-01T10:00:00+09:00"}
    touching = {"starts_at": "2032-05-01T10:00:00+09:00", "ends_at": "2032-05-01T11:00:00+09:00"}
    apart = {"starts_at": "2032-05-01T10:30:00+09:00", "ends_at": "2032-05-01T11:00:00+09:00"}
    assert (await house.place(room["id"], first)).status_code == 201
    assert (await house.place(room["id"], touching)).status_code == 409
    assert (await house.place(room["id"], apart)).status_code == 201


@pytest.mark.requirement("BK-03")
async def test_hundred_race_for_one_slot(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    slot = next_slot()
    answers = await asyncio.gather(*(house.place(room["id"], slot) for _ in range(100)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 99


@pytest.mark.requirement("BK-04")
async def test_repeat_under_a_key_replays_the_first_answer(
    house: Any, next_slot: Callable[..., dict[str, str]]
) -> None:
    room = await house.make_room()
    slot = next_slot()
    headers = {**house.hanako, "Idempotency-Key": str(uuid4())}
    first = await house.place(room["id"], slot, headers=headers)
    again = await house.place(room["id"], slot, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await house.place(room["id"], next_slot(), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    of_taro = await house.place(room["id"], slot, headers={**house.taro, "Idempotency-Key": headers["Idempotency-Key"]})
    assert (of_taro.status_code, of_taro.json()["code"]) == (409, "room-already-reserved")


@pytest.mark.requirement("BK-04")
async def test_twins_in_flight_make_one_booking(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    slot = next_slot()
    headers = {**house.hanako, "Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(house.place(room["id"], slot, headers=headers) for _ in range(30)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    turned_away = [answer for answer in answers if answer.status_code != 201]
    assert all(answer.json()["code"] == "request-in-progress" for answer in turned_away)
    assert all(answer.headers["Retry-After"] for answer in turned_away)


@pytest.mark.requirement("ID-05")
async def test_anothers_title_is_not_shown(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    slot = next_slot()
    made = (await house.place(room["id"], slot, title="Secret merger")).json()
    for reader, sees in ((house.hanako, True), (house.admin, True), (house.taro, False)):
        read = await house.client.get(f"/api/v1/reservations/{made['id']}", headers=reader)
        day = made["starts_at_local"][:10]
        listed = await house.client.get(
            "/api/v1/reservations", params={"date": day, "room_id": room["id"]}, headers=reader
        )
        assert read.status_code == listed.status_code == 200
        assert ("Secret merger" in read.text, "Secret merger" in listed.text) == (sees, sees)
        assert [item["id"] for item in listed.json()["items"]] == [made["id"]]


@pytest.mark.requirement("BK-08")
async def test_list_pages_follow_links(house: Any) -> None:
    room = await house.make_room()
    hours = range(8, 15)
    for hour in hours:
        slot = {"starts_at": f"2033-03-03T{hour:02}:00:00+09:00", "ends_at": f"2033-03-03T{hour:02}:30:00+09:00"}
        assert (await house.place(room["id"], slot)).status_code == 201
    address: str | None = f"/api/v1/reservations?date=2033-03-03&room_id={room['id']}&limit=3"
    found: list[str] = []
    pages = 0
    while address:
        page = await house.client.get(address, headers=house.hanako)
        assert page.status_code == 200, page.text
        found += [item["starts_at_local"][11:13] for item in page.json()["items"]]
        address = page.links.get("next", {}).get("url")
        pages += 1
    assert (pages, found) == (3, [f"{hour:02}" for hour in hours])


@pytest.mark.requirement("BK-08")
async def test_a_day_is_the_rooms_own(house: Any) -> None:
    room = await house.make_room(time_zone="Pacific/Auckland", site="Auckland")
    slot = {"starts_at": "2033-06-01T00:00:00+12:00", "ends_at": "2033-06-01T01:00:00+12:00"}
    made = (await house.place(room["id"], slot)).json()
    assert made["starts_at"] == "2033-05-31T12:00:00Z"
    for day, expected in (("2033-06-01", [made["id"]]), ("2033-05-31", [])):
        for params in ({"date": day, "room_id": room["id"]}, {"date": day}):
            listed = await house.client.get("/api/v1/reservations", params=params, headers=house.taro)
            ids = [item["id"] for item in listed.json()["items"] if item["room_id"] == room["id"]]
            assert ids == expected


@pytest.mark.requirement("BK-06", "BK-07")
async def test_cancel(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    slot = next_slot()
    made = (await house.place(room["id"], slot)).json()
    address = f"/api/v1/reservations/{made['id']}/cancel"
    body = {"reason": "called_off", "comment": "moved online"}
    denied = await house.client.post(address, json=body, headers=house.taro)
    assert (denied.status_code, denied.json()["code"]) == (403, "not-permitted")
    done = await house.client.post(address, json=body, headers=house.hanako)
    assert done.status_code == 200, done.text
    assert done.json()["cancellation"]["reason"] == "called_off"
    assert done.headers["ETag"].startswith('"2-')
    again = await house.client.post(address, json=body, headers=house.hanako)
    assert (again.status_code, again.json()["code"]) == (409, "reservation-already-cancelled")
    assert (await house.place(room["id"], slot, headers=house.taro)).status_code == 201


@pytest.mark.requirement("BK-07")
async def test_an_admin_says_why(house: Any) -> None:
    room = await house.make_room()
    made = (await house.place(room["id"])).json()
    address = f"/api/v1/reservations/{made['id']}/cancel"
    silent = await house.client.post(address, json={"reason": "maintenance"}, headers=house.admin)
    assert silent.status_code == 422
    assert silent.json()["errors"][0]["field"] == "comment"
    said = await house.client.post(address, json={"reason": "maintenance", "comment": "leak"}, headers=house.admin)
    assert said.status_code == 200
    seen_by_taro = await house.client.get(f"/api/v1/reservations/{made['id']}", headers=house.taro)
    assert seen_by_taro.json()["cancellation"]["comment"] is None


@pytest.mark.requirement("BK-06")
async def test_cancelled_at_once_by_two_is_cancelled_once(house: Any) -> None:
    room = await house.make_room()
    made = (await house.place(room["id"])).json()
    address = f"/api/v1/reservations/{made['id']}/cancel"
    answers = await asyncio.gather(
        *(house.client.post(address, json={"reason": "other"}, headers=house.hanako) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9


@pytest.mark.requirement("BK-02", "GW-02")
@pytest.mark.parametrize(
    ("starts_at", "ends_at", "field", "code"),
    [
        ("2033-01-01T09:10:00+09:00", "2033-01-01T10:00:00+09:00", "starts_at", "off-grid"),
        ("2033-01-01T09:00:00+09:00", "2033-01-01T10:00:01+09:00", "ends_at", "off-grid"),
        ("2033-01-01T09:00:00+09:00", "2033-01-01T17:30:00+09:00", "ends_at", "longer-than-allowed"),
        ("2033-01-01T09:00:00+09:00", "2033-01-01T09:00:00+09:00", "ends_at", "not-after-start"),
        ("2033-01-01T09:00:00+09:00", "2033-01-01T08:00:00+09:00", "ends_at", "not-after-start"),
        ("2001-01-01T09:00:00+09:00", "2001-01-01T10:00:00+09:00", "starts_at", "too-far-back"),
        ("9999-12-31T23:00:00Z", "9999-12-31T23:30:00Z", "starts_at", "absurd-time"),
        ("9999-12-31T23:30:00-23:30", "9999-12-31T23:59:00-23:30", "ends_at", "absurd-time"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:30:00+14:00", "starts_at", "absurd-time"),
        ("2033-01-01T09:00:00", "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
        ("2033-01-01", "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
        ("1e10", "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
        ("99999-01-01T00:00:00Z", "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
        (1700000000, "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
        (None, "2033-01-01T10:00:00+09:00", "starts_at", "bad-time"),
    ],
)
async def test_each_broken_rule_names_its_field(
    house: Any, starts_at: Any, ends_at: Any, field: str, code: str
) -> None:
    room = await house.make_room()
    answer = await house.place(room["id"], {"starts_at": starts_at, "ends_at": ends_at})
    assert answer.status_code == 422, answer.text
    assert (field, code) in [(error["field"], error["code"]) for error in answer.json()["errors"]], answer.text


@pytest.mark.requirement("GW-02")
async def test_what_is_not_there(house: Any) -> None:
    missing = await house.place(2_000_000_000)
    assert (missing.status_code, missing.json()["code"]) == (404, "room-not-found")
    for address in (f"/api/v1/reservations/{uuid4()}",):
        answer = await house.client.get(address, headers=house.hanako)
        assert (answer.status_code, answer.json()["code"]) == (404, "reservation-not-found")
    odd = await house.client.get("/api/v1/reservations/42", headers=house.hanako)
    assert (odd.status_code, odd.json()["errors"][0]["field"]) == (422, "reservation_id")


@pytest.mark.requirement("BK-04", "GW-02")
@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
async def test_a_key_has_printable_characters(house: Any, key: str) -> None:
    room = await house.make_room()
    answer = await house.place(room["id"], headers={**house.hanako, "Idempotency-Key": key})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


@pytest.mark.requirement("GW-01")
async def test_answers_fit_the_document(house: Any) -> None:
    room = await house.make_room()
    made = (await house.place(room["id"])).json()
    document = (await house.client.get("/openapi.json")).json()
    assert set(made) == set(document["components"]["schemas"]["ReservationOutput"]["properties"])
    assert json.dumps(made)
