import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from icalendar import Calendar

from yoyaku.booking.domain.blocklist import Blocklist
from yoyaku.booking.entrypoints.http.edge.draining import Draining
from yoyaku.booking.entrypoints.http.edge.middleware import Edge
from yoyaku.booking.settings import GatewaySettings
from yoyaku.lifecycle.process import utc_now
from yoyaku.observability.testing import recorded_spans

CALENDARS = "/api/v1/calendars"


def soon(hours: int) -> dict[str, str]:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2, hours=hours)
    return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}


async def publish(house: Any, who: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = await house.client.post(CALENDARS, json=body, headers=who)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def events(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {str(event["UID"]): event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


@pytest.mark.requirement("ID-05", "GW-03")
async def test_an_own_feed_and_a_rooms_feed(house: Any) -> None:
    room = await house.make_room(name="Fuji; 大会議室, east", time_zone="Europe/Berlin")
    mine = await house.place(room["id"], soon(0), title="Salary talk; \\ 面談, 1")
    theirs = await house.place(room["id"], soon(3), title="Secret merger", headers=house.taro)
    my_uid, their_uid = (f"{answer.json()['id']}@yoyaku" for answer in (mine, theirs))
    own = await publish(house, house.hanako, kind="mine")
    rooms = await publish(house, house.hanako, kind="room", room_id=room["id"], language="ja")
    assert re.fullmatch(rf"{house.service.url}{CALENDARS}/[\w-]{{43}}\.ics", own["url"])

    answer = await house.client.get(own["url"])
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    shown = events(answer)
    assert their_uid not in shown
    assert str(shown[my_uid]["SUMMARY"]) == "Salary talk; \\ 面談, 1"
    assert str(shown[my_uid]["LOCATION"]) == "Fuji; 大会議室, east, Tokyo"
    assert shown[my_uid].decoded("dtstart") == datetime.fromisoformat(soon(0)["starts_at"])

    answer = await house.client.get(rooms["url"])
    assert {str(event["SUMMARY"]) for event in events(answer).values()} == {"予約済み"}
    assert set(events(answer)) == {my_uid, their_uid}
    assert "Secret merger" not in answer.text
    again = await house.client.get(rooms["url"], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    path = f"/api/v1/reservations/{theirs.json()['id']}/cancel"
    assert (await house.client.post(path, json={"reason": "other"}, headers=house.taro)).status_code == 200
    changed = await house.client.get(rooms["url"], headers={"If-None-Match": answer.headers["etag"]})
    cancelled = events(changed)[their_uid]
    assert (str(cancelled["STATUS"]), cancelled["SEQUENCE"]) == ("CANCELLED", 1)


@pytest.mark.requirement("ID-05", "OB-03")
async def test_the_secret_is_in_the_address_and_nowhere_else(own_house: Any) -> None:
    house = own_house
    made = await publish(house, house.hanako, kind="mine")
    secret = made["url"].rpartition("/")[2].removesuffix(".ics")
    assert (await house.client.get(made["url"])).status_code == 200
    assert (await house.client.get(made["url"].replace(".ics", ".icsx"))).status_code in (404, 405)
    listed = await house.client.get(CALENDARS, headers=house.hanako)
    assert [item["id"] for item in listed.json()["items"]] == [made["id"]]
    assert secret not in listed.text
    revoked = await house.client.delete(f"{CALENDARS}/{made['id']}", headers=house.hanako)
    assert revoked.status_code == 204
    gone = await house.client.get(made["url"])
    unknown = await house.client.get(f"{CALENDARS}/{'a' * 43}.ics")
    for answer in (gone, unknown, await house.client.get(f"{CALENDARS}/%00%2e%2e.ics")):
        assert (answer.status_code, answer.json()["code"]) == (404, "calendar-not-found")
    assert secret not in house.service.log()
    connection = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    rows = await connection.fetch("SELECT type, headers::text || convert_from(body, 'UTF8') AS text FROM outbox_event")
    await connection.close()
    assert {row["type"] for row in rows} >= {"booking.calendar.published.v1", "booking.calendar.revoked.v1"}
    assert not any(secret in row["text"] for row in rows)


@pytest.mark.requirement("ID-05", "ID-06")
async def test_what_is_refused(house: Any) -> None:
    for body, code in (
        ({"kind": "room"}, "required"),
        ({"kind": "mine", "room_id": 1}, "not-allowed"),
        ({"kind": "all"}, "not-allowed"),
        ({"kind": "mine", "language": "fr"}, "not-allowed"),
    ):
        answer = await house.client.post(CALENDARS, json=body, headers=house.hanako)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    answer = await house.client.post(CALENDARS, json={"kind": "room", "room_id": 2_000_000_000}, headers=house.hanako)
    assert (answer.status_code, answer.json()["code"]) == (404, "room-not-found")
    theirs = await publish(house, house.taro, kind="mine")
    for calendar_id in (theirs["id"], uuid4()):
        answer = await house.client.delete(f"{CALENDARS}/{calendar_id}", headers=house.hanako)
        assert (answer.status_code, answer.json()["code"]) == (404, "calendar-not-found")
    assert (await house.client.get(theirs["url"])).status_code == 200


@pytest.mark.requirement("ID-05")
async def test_twenty_are_enough_and_hosts_are_not_believed(house: Any) -> None:
    await house.make_user("collector")
    collector = await house.log_in("collector")
    made = [await publish(house, collector, kind="mine") for _ in range(20)]
    full = await house.client.post(CALENDARS, json={"kind": "mine"}, headers=collector)
    assert (full.status_code, full.json()["code"], full.json()["limit"]) == (409, "too-many-calendars", 20)
    assert (await house.client.delete(f"{CALENDARS}/{made[0]['id']}", headers=collector)).status_code == 204
    odd = await house.client.post(CALENDARS, json={"kind": "mine"}, headers={**collector, "Host": "a/b?<x>"})
    assert odd.status_code in (201, 400)
    if odd.status_code == 201:
        assert odd.json()["url"].startswith(CALENDARS)


@pytest.mark.requirement("OB-03")
async def test_the_secret_is_in_no_span() -> None:
    limit = SimpleNamespace(by_address=lambda _: None, concurrent=lambda _: None)
    gateway = SimpleNamespace(blocklist=Blocklist(), limit=limit)
    settings = GatewaySettings.model_construct()
    edge = Edge(answered, gateway=lambda: gateway, settings=settings, now=utc_now, draining=Draining())  # type: ignore[arg-type,return-value]
    secret = "s3cret" * 7 + "x"
    with recorded_spans() as spans:
        for path in (f"{CALENDARS}/{secret}.ics", f"{CALENDARS}/{secret}", f"{CALENDARS}/x/{secret}.ics"):
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http"}
            await edge({**scope, "headers": [(b"host", b"localhost")], "client": ("192.0.2.1", 1)}, nothing, nothing)
    assert [span.attributes["url.path"] for span in spans if span.attributes] == [f"{CALENDARS}/{{secret}}"] * 3
    assert not any(secret in span.to_json() for span in spans)


async def answered(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def nothing(*_: Any) -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}
