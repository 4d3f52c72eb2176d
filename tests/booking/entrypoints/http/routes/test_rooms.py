"""Rooms over HTTP, on the real server: rules, closures, availability, lists."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

NOT_BOOKABLE = "入力の日付・部屋の組合わせは予約できません。"
OFFICE = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
WEDNESDAY = "2033-06-01"
SUNDAY = "2033-06-05"


def at(clock: str, day: str = WEDNESDAY) -> str:
    return f"{day}T{clock}:00+09:00"


def slot(opens: str, closes: str, day: str = WEDNESDAY) -> dict[str, str]:
    return {"starts_at": at(opens, day), "ends_at": at(closes, day)}


def broken(answer: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


async def get(house: Any, address: str, **params: Any) -> Any:
    answer = await house.client.get(address, params=params or None, headers=house.taro)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def close(house: Any, room_id: int, body: dict[str, Any], **headers: str) -> Any:
    return await house.client.post(
        f"/api/v1/rooms/{room_id}/closures", json={"reason": "Works", **body}, headers={**house.admin, **headers}
    )


@pytest.mark.requirement("BK-01", "BK-02", "BK-10")
async def test_outside_the_opening_hours(house: Any) -> None:
    room = await house.make_room(opening_hours=OFFICE)
    assert room["opening_hours"] == {**OFFICE, "sat": [], "sun": []}
    assert (await house.place(room["id"], slot("09:00", "17:00"))).status_code == 201
    early = await house.place(room["id"], slot("08:00", "09:30"), headers={**house.hanako, "Accept-Language": "ja"})
    assert (early.status_code, early.json()["code"], early.json()["detail"]) == (409, "room-not-bookable", NOT_BOOKABLE)
    (error,) = early.json()["errors"]
    assert {name: error[name] for name in ("field", "code", "date", "opens", "closes", "opens_at")} == {
        "field": "starts_at", "code": "outside-opening-hours", "date": WEDNESDAY, "opens": "09:00", "closes": "18:00",
        "opens_at": at("09:00"),
    }  # fmt: skip
    sunday = await house.place(room["id"], slot("10:00", "11:00", SUNDAY))
    assert broken(sunday) == [("starts_at", "outside-opening-hours"), ("ends_at", "outside-opening-hours")]
    assert sunday.json()["errors"][0]["opens_at"] == at("09:00", "2033-06-06")


@pytest.mark.requirement("BK-02", "BK-10")
async def test_rules_of_the_request_and_of_the_room_are_named_together(house: Any) -> None:
    room = await house.make_room(opening_hours=OFFICE)
    assert (await close(house, room["id"], {"first_date": WEDNESDAY, "last_date": WEDNESDAY})).status_code == 201
    answer = await house.place(room["id"], slot("07:10", "20:00"), title="\u200b")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert sorted(broken(answer)) == [
        ("ends_at", "longer-than-allowed"),
        ("ends_at", "outside-opening-hours"),
        ("starts_at", "closed"),
        ("starts_at", "off-grid"),
        ("starts_at", "outside-opening-hours"),
        ("title", "blank"),
    ]
    assert {error["max_hours"] for error in answer.json()["errors"] if "max_hours" in error} == {8}


@pytest.mark.requirement("BK-02")
async def test_buffers_may_lie_outside_the_opening_hours(house: Any) -> None:
    room = await house.make_room(opening_hours=OFFICE, buffer_before_minutes=60, buffer_after_minutes=60)
    assert (await house.place(room["id"], slot("09:00", "10:00"))).status_code == 201
    assert (await house.place(room["id"], slot("17:00", "18:00"))).status_code == 201


@pytest.mark.requirement("BK-01", "BK-03", "BK-10")
async def test_a_closure_over_reservations_is_refused_and_lists_them_unless_forced(house: Any) -> None:
    room = await house.make_room()
    made = (await house.place(room["id"], slot("10:00", "11:00"))).json()
    body = {"starts_at": at("09:00"), "ends_at": at("12:00"), "reason": "New carpet"}
    refused = await close(house, room["id"], body)
    assert (refused.status_code, refused.json()["code"], refused.json()["total"]) == (
        409,
        "closure-over-reservations",
        1,
    )
    assert refused.json()["reservations"] == [
        {"reservation_id": made["id"], "starts_at": made["starts_at"], "ends_at": made["ends_at"]}
    ]
    forced = await close(house, room["id"], {**body, "force": True})
    assert (forced.status_code, forced.json()["cancelled_reservations"]) == (201, 1)
    gone = await house.client.get(f"/api/v1/reservations/{made['id']}", headers=house.hanako)
    assert gone.json()["cancellation"]["reason"] == "maintenance"
    assert gone.json()["cancellation"]["comment"] == "New carpet"
    history = await house.client.get(f"/api/v1/reservations/{made['id']}/history", headers=house.admin)
    assert [item["action"] for item in history.json()["items"]] == ["place", "cancel"]
    again = await house.place(room["id"], slot("11:30", "12:30"))
    assert (again.status_code, broken(again)) == (409, [("starts_at", "closed")])
    (error,) = again.json()["errors"]
    assert (error["reason"], error["until"]) == ("New carpet", at("12:00"))
    opened = await house.client.delete(forced.headers["Location"], headers=house.admin)
    assert opened.status_code == 204
    assert (await house.place(room["id"], slot("11:30", "12:30"))).status_code == 201
    missing = await house.client.delete(forced.headers["Location"], headers=house.admin)
    assert (missing.status_code, missing.json()["code"]) == (404, "closure-not-found")


@pytest.mark.requirement("BK-01", "GW-02")
@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "starts_at", "times-or-days"),
        ({"starts_at": at("09:00")}, "starts_at", "times-or-days"),
        ({"starts_at": at("09:00"), "ends_at": at("10:00"), "first_date": WEDNESDAY}, "starts_at", "times-or-days"),
        ({"starts_at": at("09:10"), "ends_at": at("10:00")}, "starts_at", "off-grid"),
        ({"starts_at": at("10:00"), "ends_at": at("10:00")}, "ends_at", "not-after-start"),
        ({"starts_at": at("10:00", "2020-01-01"), "ends_at": at("11:00", "2020-01-01")}, "ends_at", "already-over"),
        ({"first_date": "2020-01-01", "last_date": "2020-01-02"}, "last_date", "already-over"),
        ({"first_date": WEDNESDAY, "last_date": "2033-05-31"}, "last_date", "not-after-start"),
        ({"first_date": "0001-01-01", "last_date": "9999-12-31"}, "first_date", "absurd-time"),
        ({"starts_at": "9999-06-01T00:00:00Z", "ends_at": "9999-06-02T00:00:00Z"}, "starts_at", "absurd-time"),
        ({"first_date": WEDNESDAY, "last_date": WEDNESDAY, "reason": "\u3164"}, "reason", "blank"),
        ({"first_date": "x", "last_date": WEDNESDAY}, "first_date", "bad-date"),
    ],
)
async def test_closures_that_are_refused(house: Any, body: dict[str, Any], field: str, code: str) -> None:
    room = await house.make_room()
    answer = await close(house, room["id"], body)
    assert answer.status_code == 422, answer.text
    assert (field, code) in broken(answer)


@pytest.mark.requirement("BK-01")
async def test_closures_are_listed_in_pages(house: Any) -> None:
    room = await house.make_room()
    for day in range(1, 6):
        text = f"2033-07-0{day}"
        assert (await close(house, room["id"], {"first_date": text, "last_date": text})).status_code == 201
    address: str | None = f"/api/v1/rooms/{room['id']}/closures?limit=2&from=2033-07-02T00:00:00Z"
    found = []
    while address:
        page = await house.client.get(address, headers=house.taro)
        found += [item["starts_at_local"][:10] for item in page.json()["items"]]
        address = page.links.get("next", {}).get("url")
    assert found == ["2033-07-02", "2033-07-03", "2033-07-04", "2033-07-05"]
    nobody = await house.client.get("/api/v1/rooms/2000000000/closures", headers=house.taro)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "room-not-found")


@pytest.mark.requirement("BK-01")
async def test_retired_and_reinstated(house: Any) -> None:
    room = await house.make_room()
    await house.place(room["id"], slot("10:00", "11:00"))
    address = f"/api/v1/rooms/{room['id']}"
    body = {"reason": "Moved"}
    refused = await house.client.post(f"{address}/retire", json=body, headers=house.admin)
    assert (refused.status_code, refused.json()["code"]) == (409, "closure-over-reservations")
    done = await house.client.post(f"{address}/retire", json={**body, "force": True}, headers=house.admin)
    assert (done.status_code, done.json()["cancelled_reservations"]) == (200, 1)
    assert done.json()["room"]["retirement"]["reason"] == "Moved"
    again = await house.client.post(f"{address}/retire", json=body, headers=house.admin)
    assert (again.status_code, again.json()["code"]) == (409, "room-already-retired")
    placed = await house.place(room["id"], slot("12:00", "13:00"))
    assert (placed.status_code, broken(placed)) == (409, [("room_id", "room-retired")])
    (day,) = (await get(house, f"{address}/availability", date=WEDNESDAY))["days"]
    assert (day["free"], [busy["kind"] for busy in day["busy"]]) == ([], ["closure"])
    back = await house.client.post(f"{address}/reinstate", headers=house.admin)
    assert (back.status_code, back.json()["active"], back.json()["retirement"]) == (200, True, None)
    twice = await house.client.post(f"{address}/reinstate", headers=house.admin)
    assert (twice.status_code, twice.json()["code"]) == (409, "room-not-retired")
    assert (await house.place(room["id"], slot("12:00", "13:00"))).status_code == 201


@pytest.mark.requirement("BK-01", "BK-05")
async def test_changed_under_if_match_and_conflicts_are_named(house: Any) -> None:
    room = await house.make_room()
    late = (await house.place(room["id"], slot("19:00", "20:00"))).json()
    await house.place(room["id"], slot("10:00", "11:00"))
    address = f"/api/v1/rooms/{room['id']}"
    read = await house.client.get(address, headers=house.taro)
    tag = read.headers["ETag"]
    known = await house.client.get(address, headers={**house.taro, "If-None-Match": tag})
    assert (known.status_code, known.content) == (304, b"")
    body = {"opening_hours": OFFICE, "capacity": 3, "features": ["b", "a"]}
    blind = await house.client.patch(address, json=body, headers=house.admin)
    assert (blind.status_code, blind.json()["code"]) == (428, "precondition-required")
    changed = await house.client.patch(address, json=body, headers={**house.admin, "If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.json()["conflicts"] == [
        {
            "reservation_id": late["id"],
            "starts_at": late["starts_at"],
            "ends_at": late["ends_at"],
            "rules": ["outside-opening-hours"],
        }
    ]
    assert (changed.json()["total_conflicts"], changed.json()["room"]["features"]) == (1, ["a", "b"])
    stale = await house.client.patch(address, json={"capacity": 4}, headers={**house.admin, "If-Match": tag})
    assert (stale.status_code, stale.headers["ETag"]) == (412, changed.headers["ETag"])
    kept = await house.client.get(f"/api/v1/reservations/{late['id']}", headers=house.hanako)
    assert kept.json()["status"] == "confirmed"
    same = await house.client.patch(address, json={"capacity": 3}, headers={**house.admin, "If-Match": "*"})
    assert same.headers["ETag"] == changed.headers["ETag"]
    open_again = await house.client.patch(
        address, json={"opening_hours": None}, headers={**house.admin, "If-Match": "*"}
    )
    assert open_again.json()["room"]["opening_hours"] is None


@pytest.mark.requirement("BK-01", "GW-02")
@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"name": "\u200b"}, "name", "blank"),
        ({"site": " \u2060"}, "site", "blank"),
        ({"features": ["a", "\ufeff"]}, "features", "blank"),
        ({"name": None}, "name", "wrong-type"),
        ({"time_zone": "Mars/Base"}, "time_zone", "unknown-time-zone"),
        ({"opening_hours": {}}, "opening_hours", "never-open"),
        ({"opening_hours": {"mon": [["9", "18:00"]]}}, "opening_hours.mon.0", "bad-clock"),
        ({"opening_hours": {"funday": []}}, "opening_hours.funday", "unknown-field"),
        ({"opening_hours": {"mon": [["09:00"]]}}, "opening_hours.mon.0.1", "required"),
        ({"buffer_after_minutes": 241}, "buffer_after_minutes", "too-large"),
    ],
)
async def test_changes_that_are_refused(house: Any, body: dict[str, Any], field: str, code: str) -> None:
    room = await house.make_room()
    answer = await house.client.patch(
        f"/api/v1/rooms/{room['id']}", json=body, headers={**house.admin, "If-Match": "*"}
    )
    assert answer.status_code == 422, answer.text
    assert (field, code) in broken(answer)


@pytest.mark.requirement("BK-01", "GW-02")
async def test_everything_wrong_with_a_new_room_is_named_at_once(house: Any) -> None:
    body = {
        "name": "\u200b",
        "site": "x",
        "capacity": 1,
        "time_zone": "x",
        "opening_hours": {"mon": [["18:00", "09:00"]]},
    }
    answer = await house.client.post("/api/v1/rooms", json=body, headers=house.admin)
    assert broken(answer) == [
        ("name", "blank"),
        ("time_zone", "unknown-time-zone"),
        ("opening_hours.mon.0", "not-after-start"),
    ]


@pytest.mark.requirement("BK-01")
async def test_a_name_that_is_taken(house: Any) -> None:
    one, other = await house.make_room(site="Nagoya"), await house.make_room(site="Nagoya")
    answer = await house.client.patch(
        f"/api/v1/rooms/{one['id']}", json={"name": other["name"] + "\u200b"}, headers={**house.admin, "If-Match": "*"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "room-already-exists")


@pytest.mark.requirement("BK-09")
async def test_availability_of_a_day(house: Any) -> None:
    room = await house.make_room(opening_hours=OFFICE, buffer_after_minutes=15)
    await house.place(room["id"], slot("10:00", "11:00"), title="Secret merger")
    await close(house, room["id"], {"starts_at": at("17:00"), "ends_at": at("20:00")})
    address = f"/api/v1/rooms/{room['id']}/availability"
    answer = await house.client.get(address, params={"date": WEDNESDAY}, headers=house.taro)
    assert "Secret" not in answer.text
    (day,) = answer.json()["days"]
    assert [(free["starts_at_local"][11:16], free["ends_at_local"][11:16]) for free in day["free"]] == [
        ("09:00", "09:30"),
        ("11:30", "17:00"),
    ]
    assert [(busy["starts_at_local"][11:16], busy["kind"]) for busy in day["busy"]] == [
        ("00:00", "outside-hours"),
        ("09:30", "buffer"),
        ("10:00", "reservation"),
        ("11:00", "buffer"),
        ("17:00", "closure"),
        ("20:00", "outside-hours"),
    ]
    for free in day["free"]:
        wanted = {"starts_at": free["starts_at"], "ends_at": free["ends_at"]}
        assert (await house.place(room["id"], wanted, headers=house.taro)).status_code == 201
    after = await get(house, address, first_date=WEDNESDAY, last_date="2033-06-30")
    assert [after["days"][0]["free"], len(after["days"])] == [[], 30]
    known = await house.client.get(
        address, params={"date": SUNDAY}, headers={**house.taro, "If-None-Match": answer.headers["ETag"]}
    )
    assert known.status_code == 200


@pytest.mark.requirement("BK-09")
@pytest.mark.parametrize(("day", "hours"), [("2033-03-27", 23), ("2033-10-30", 25)])
async def test_availability_on_the_nights_of_change(house: Any, day: str, hours: int) -> None:
    room = await house.make_room(site="Berlin", time_zone="Europe/Berlin")
    answer = await get(house, f"/api/v1/rooms/{room['id']}/availability", date=day)
    (free,) = answer["days"][0]["free"]
    length = datetime.fromisoformat(free["ends_at"]) - datetime.fromisoformat(free["starts_at"])
    assert length == timedelta(hours=hours)
    assert (
        await house.place(room["id"], {"starts_at": free["starts_at"], "ends_at": answer_end(free)})
    ).status_code == 201


def answer_end(free: dict[str, str]) -> str:
    return (datetime.fromisoformat(free["starts_at"]) + timedelta(hours=8)).isoformat()


@pytest.mark.requirement("BK-09", "GW-02")
@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("", "date", "date-or-days"),
        ("date=2033-06-01&first_date=2033-06-01", "date", "date-or-days"),
        ("first_date=2033-06-01", "date", "date-or-days"),
        ("date=2033-W22-3", "date", "bad-date"),
        ("date=9999-12-31", "first_date", "absurd-time"),
        ("date=0001-01-01", "first_date", "absurd-time"),
        ("date=1972-12-31", "first_date", "absurd-time"),
        ("first_date=2033-06-02&last_date=2033-06-01", "last_date", "not-after-start"),
        ("first_date=2033-06-01&last_date=2033-07-02", "last_date", "too-many-days"),
        ("date=2033-06-01&x=1", "x", "unknown-field"),
    ],
)
async def test_days_that_are_refused(house: Any, query: str, field: str, code: str) -> None:
    room = await house.make_room()
    answer = await house.client.get(f"/api/v1/rooms/{room['id']}/availability?{query}", headers=house.taro)
    assert answer.status_code == 422, answer.text
    assert (field, code) in broken(answer)


@pytest.mark.requirement("BK-09")
@pytest.mark.parametrize("day", ["1973-01-01", "9998-12-31", "2011-12-30"])
async def test_days_far_away(house: Any, day: str) -> None:
    room = await house.make_room(time_zone="Pacific/Apia", site="Apia", opening_hours=OFFICE)
    assert (await get(house, f"/api/v1/rooms/{room['id']}/availability", date=day))["days"][0]["date"] == day


@pytest.mark.requirement("BK-01")
async def test_rooms_are_found_by_what_they_are(house: Any) -> None:
    site = "Sapporo"
    small = await house.make_room(site=site, capacity=4, features=["projector", "phone"])
    large = await house.make_room(site=site, capacity=20, features=["projector"], opening_hours=OFFICE)
    gone = await house.make_room(site=site, capacity=30)
    await house.client.post(f"/api/v1/rooms/{gone['id']}/retire", json={"reason": "x"}, headers=house.admin)

    async def found(**params: Any) -> list[int]:
        items = (await get(house, "/api/v1/rooms", site=site, **params))["items"]
        return [item["id"] for item in items]

    assert await found() == [small["id"], large["id"], gone["id"]]
    assert await found(active="true") == [small["id"], large["id"]]
    assert await found(active="false") == [gone["id"]]
    assert await found(capacity=20, active="true") == [large["id"]]
    assert await found(feature=["phone", "projector"]) == [small["id"]]
    await house.place(small["id"], slot("10:00", "11:00"))
    assert await found(free_from=at("10:30"), free_to=at("12:00")) == [large["id"]]
    assert await found(free_from=at("11:00"), free_to=at("12:00")) == [small["id"], large["id"]]
    assert await found(free_from=at("19:00"), free_to=at("20:00")) == [small["id"]]
    await close(house, small["id"], {"first_date": SUNDAY, "last_date": SUNDAY})
    assert await found(free_from=at("10:30", SUNDAY), free_to=at("12:00", SUNDAY)) == []
    sites = (await get(house, "/api/v1/sites"))["items"]
    assert {"site": site, "rooms": 2, "time_zones": ["Asia/Tokyo"]} in sites


@pytest.mark.requirement("BK-01", "BK-08")
async def test_pages_of_free_rooms_leave_none_out(house: Any) -> None:
    site = "Otaru"
    rooms = [await house.make_room(site=site, opening_hours=OFFICE if number % 3 == 0 else None) for number in range(7)]
    address: str | None = f"/api/v1/rooms?site={site}&limit=2&free_from={at('20:00')}&free_to={at('21:00')}"
    found = []
    while address:
        page = await house.client.get(address, headers=house.taro)
        found += [room["id"] for room in page.json()["items"]]
        address = page.links.get("next", {}).get("url")
    assert found == [room["id"] for number, room in enumerate(rooms) if number % 3]


@pytest.mark.requirement("BK-01")
async def test_a_list_for_a_day_links_to_the_days_beside_it(house: Any) -> None:
    site = "Kobe"
    room = await house.make_room(site=site, opening_hours=OFFICE)
    await close(house, room["id"], {"starts_at": at("12:00"), "ends_at": at("13:00")})
    body = await get(house, "/api/v1/rooms", site=site, date=WEDNESDAY, feature=[], limit=1)
    (item,) = body["items"]
    assert [(o["starts_at_local"][11:16], o["ends_at_local"][11:16]) for o in item["open"]] == [
        ("09:00", "12:00"),
        ("13:00", "18:00"),
    ]
    assert body["days"]["date"] == WEDNESDAY
    before = await house.client.get(body["days"]["previous"], headers=house.taro)
    assert before.json()["days"]["date"] == "2033-05-31"
    assert [listed["id"] for listed in before.json()["items"]] == [room["id"]]
    assert before.json()["days"]["next"].endswith(f"date={WEDNESDAY}")


@pytest.mark.requirement("BK-01", "GW-02")
@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("free_from=2033-06-01T00:00:00Z", "free_to", "both-or-none"),
        ("free_to=2033-06-01T00:00:00Z", "free_from", "both-or-none"),
        ("free_from=2033-06-01T01:00:00Z&free_to=2033-06-01T00:00:00Z", "free_to", "not-after-start"),
        ("free_from=2033-06-01T00:00:00Z&free_to=2034-06-01T00:00:00Z", "free_to", "too-many-days"),
        ("free_from=9999-06-01T00:00:00Z&free_to=9999-06-01T01:00:00Z", "free_from", "bad-time"),
        ("free_from=x&free_to=2033-06-01T00:00:00Z", "free_from", "bad-time"),
        ("date=9999-12-31", "date", "absurd-time"),
        ("capacity=0", "capacity", "too-small"),
        ("active=maybe", "active", "wrong-type"),
        ("colour=red", "colour", "unknown-field"),
    ],
)
async def test_filters_that_are_refused(house: Any, query: str, field: str, code: str) -> None:
    answer = await house.client.get(f"/api/v1/rooms?{query}", headers=house.taro)
    assert answer.status_code == 422, answer.text
    assert (field, code) in broken(answer)


@pytest.mark.requirement("GW-01")
async def test_answers_fit_the_document(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    document = (await house.client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    room = await house.make_room()
    await house.place(room["id"], next_slot())
    assert set(room) == set(schemas["RoomOutput"]["properties"])
    today = datetime.now(UTC).date()
    body = await get(house, f"/api/v1/rooms/{room['id']}/availability", date=(today + timedelta(days=9)).isoformat())
    assert set(body) == set(schemas["AvailabilityOutput"]["properties"])
    assert set(body["days"][0]) == set(schemas["DayOutput"]["properties"])
    assert set(body["days"][0]["free"][0]) == set(schemas["IntervalOutput"]["properties"])
    busy = await get(house, f"/api/v1/rooms/{room['id']}/availability", date=date(2031, 1, 2).isoformat())
    assert json.dumps(busy)
