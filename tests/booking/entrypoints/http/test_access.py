"""Who gets in, and what each role may do: every route of the document, as nobody and as each role."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

OPEN = {
    "/api/v1/auth/login",
    "/api/v1/calendars/{secret}.ics",
    "/api/v1/auth/refresh",
    "/health/live",
    "/health/ready",
    "/health/startup",
    "/.well-known/jwks.json",
}
REFUSED_TO = {
    ("POST", "/api/v1/users"): {"USER", "OPERATOR"},
    ("GET", "/api/v1/users"): {"USER", "OPERATOR"},
    ("GET", "/api/v1/users/{user_id}"): {"USER", "OPERATOR"},
    ("PATCH", "/api/v1/users/{user_id}"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/users/{user_id}/disable"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/users/{user_id}/enable"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/users/{user_id}/reset-password"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/rooms"): {"USER", "OPERATOR"},
    ("PATCH", "/api/v1/rooms/{room_id}"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/rooms/{room_id}/closures"): {"USER", "OPERATOR"},
    ("DELETE", "/api/v1/rooms/{room_id}/closures/{closure_id}"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/rooms/{room_id}/retire"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/rooms/{room_id}/reinstate"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/reservations"): {"OPERATOR"},
    ("POST", "/api/v1/reservations/{reservation_id}/cancel"): {"OPERATOR"},
    ("PATCH", "/api/v1/reservations/{reservation_id}"): {"OPERATOR"},
    ("DELETE", "/api/v1/reservations/{reservation_id}"): {"OPERATOR"},
    ("POST", "/api/v1/reservations/{reservation_id}/restore"): {"USER", "OPERATOR"},
    ("GET", "/api/v1/reservations/{reservation_id}/history"): {"USER", "OPERATOR"},
    ("POST", "/api/v1/calendars"): {"OPERATOR"},
    ("GET", "/api/v1/calendars"): {"OPERATOR"},
    ("DELETE", "/api/v1/calendars/{calendar_id}"): {"OPERATOR"},
    ("GET", "/api/v1/audit/entries"): {"USER"},
    ("GET", "/api/v1/audit/entries/{entry_id}"): {"USER"},
    ("GET", "/api/v1/audit/entries/{entry_id}/proof"): {"USER"},
    ("GET", "/api/v1/audit/stories/{correlation_id}"): {"USER"},
    ("GET", "/api/v1/audit/checkpoint"): {"USER"},
    ("GET", "/api/v1/audit/consistency"): {"USER"},
    ("GET", "/api/v1/audit/log/{path}"): {"USER"},
    ("GET", "/api/v1/backups"): {"USER"},
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "/api/v1/reservations": {"date": "2033-01-01"},
    "/api/v1/audit/consistency": {"from": 0, "to": 0},
}
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/users": {"user_id": "x", "display_name": "x", "role": "USER", "password": "x"},
    "/api/v1/rooms": {"name": "x", "site": "x", "capacity": 1, "time_zone": "Mars/Base"},
    "/api/v1/rooms/{room_id}": {"capacity": 2},
    "/api/v1/rooms/{room_id}/closures": {"first_date": "2033-01-01", "last_date": "2033-01-02", "reason": "x"},
    "/api/v1/rooms/{room_id}/retire": {"reason": "x"},
    "/api/v1/reservations": {
        "room_id": 2_000_000_000,
        "starts_at": "2033-01-01T00:00:00Z",
        "ends_at": "2033-01-01T01:00:00Z",
        "title": "x",
    },
    "/api/v1/reservations/{reservation_id}/cancel": {"reason": "other"},
    "/api/v1/reservations/{reservation_id}/restore": {"comment": "x"},
    "/api/v1/reservations/{reservation_id}": {"title": "x"},
    "/api/v1/calendars": {"kind": "room", "room_id": 2_000_000_000},
    "/api/v1/users/{user_id}": {"display_name": "x"},
    "/api/v1/users/{user_id}/reset-password": {},
    "/api/v1/users/me/password": {"current_password": "x", "new_password": "x"},
}


async def routes(house: Any) -> list[tuple[str, str]]:
    document = (await house.client.get("/openapi.json")).json()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods if path not in OPEN
    ]


async def call(house: Any, method: str, path: str, headers: dict[str, str], ids: dict[str, str] | None = None) -> Any:
    known = {"{room_id}": "2000000000", **(ids or {})}
    address = re.sub(r"{[a-z_]+_id}", lambda name: known.get(name[0]) or str(uuid4()), path)
    params = PARAMETERS.get(path) if method == "GET" else None
    body = BODIES.get(path) if method in {"POST", "PATCH", "PUT"} else None
    headers = {"If-Match": "*", **headers} if method == "PATCH" else headers
    return await house.client.request(method, address, params=params, json=body, headers=headers)


@pytest.mark.requirement("ID-05")
async def test_every_route_as_nobody_and_as_each_role(house: Any) -> None:
    await house.make_user("watcher", "OPERATOR")
    people = {
        "USER": await house.log_in("hanako"),
        "ADMIN": await house.log_in("admin", house.admin_password),
        "OPERATOR": await house.log_in("watcher"),
    }
    walked = await routes(house)
    assert {path for _, path in walked} >= {path for _, path in REFUSED_TO}
    # Who signs out is no one for the rest of the walk.
    walked.sort(key=lambda route: route[1] == "/api/v1/auth/logout")
    for method, path in walked:
        assert (await call(house, method, path, {})).status_code == 401, path
        for role, headers in people.items():
            answer = await call(house, method, path, headers)
            refused = role in REFUSED_TO.get((method, path), set())
            assert (answer.status_code == 403) == refused, (method, path, role, answer.text)
            assert answer.status_code < 500 or answer.json()["code"] == "service-unavailable", answer.text


@pytest.mark.requirement("ID-05", "ID-06")
async def test_every_route_with_the_ids_of_somebody_else(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    await house.make_user("owner")
    owner = await house.log_in("owner")
    room = await house.make_room()
    made = (await house.place(room["id"], next_slot(), headers=owner, title="Nobody's business")).json()
    feed = (await house.client.post("/api/v1/calendars", json={"kind": "mine"}, headers=owner)).json()
    person = (await house.client.get("/api/v1/users/me", headers=owner)).json()
    sessions = "/api/v1/auth/sessions"
    session = (await house.client.get(sessions, headers=owner)).json()["items"][0]
    ids = {
        "{reservation_id}": made["id"],
        "{user_id}": person["id"],
        "{session_id}": session["id"],
        "{calendar_id}": feed["id"],
    }
    stranger = await house.log_in("taro")
    for method, path in await routes(house):
        if not any(name in path for name in ids):
            continue
        answer = await call(house, method, path, stranger, ids)
        if (method, path) == ("GET", "/api/v1/reservations/{reservation_id}"):
            assert (answer.json()["title"], answer.json()["person_id"]) == (None, None)
        else:
            assert answer.status_code in (403, 404), (method, path, answer.text)
        assert not {"Nobody's business", person["display_name"], person["id"]} & set(map(str, answer.json().values()))
    address = f"/api/v1/reservations/{made['id']}"
    assert (await house.client.get(address, headers=owner)).json() == made
    assert (await house.client.get("/api/v1/users/me", headers=owner)).json() == person
    assert [item["id"] for item in (await house.client.get(sessions, headers=owner)).json()["items"]] == [session["id"]]
    assert (await house.client.get("/api/v1/calendars", headers=owner)).json()["items"][0]["id"] == feed["id"]


@pytest.mark.requirement("ID-01")
@pytest.mark.parametrize("header", ["", "Bearer", "Basic aGFuYWtvOng=", "Bearer a.b.c", "bearer  x y", "Token abc"])
async def test_no_token_no_entry(house: Any, header: str) -> None:
    answer = await house.client.get("/api/v1/rooms", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.requirement("ID-01")
async def test_failed_sign_ins_look_alike(house: Any) -> None:
    bodies = []
    for user_id, password in (("hanako", "wrong"), ("nobody", "wrong"), ("' OR 1=1 --", "wrong")):
        answer = await house.client.post("/api/v1/auth/login", json={"user_id": user_id, "password": password})
        assert answer.status_code == 401
        bodies.append({name: value for name, value in answer.json().items() if name != "trace_id"})
    assert bodies[0] == bodies[1] == bodies[2]


@pytest.mark.requirement("ID-02", "ID-06")
async def test_weak_and_taken(house: Any) -> None:
    body = {"user_id": "hanako", "display_name": "H", "role": "USER", "password": "password12345"}
    weak = await house.client.post("/api/v1/users", json=body, headers=house.admin)
    assert (weak.status_code, weak.json()["errors"][0]["code"]) == (422, "too-common")
    assert "password12345" not in weak.text
    body["password"] = "blue kettle on the roof"
    taken = await house.client.post("/api/v1/users", json=body, headers=house.admin)
    assert (taken.status_code, taken.json()["code"]) == (409, "person-already-exists")


@pytest.mark.requirement("EV-03", "ID-05")
async def test_facts_are_in_the_outbox_and_secrets_nowhere(
    own_house: Any, next_slot: Callable[..., dict[str, str]]
) -> None:
    house = own_house
    room = await house.make_room()
    await house.place(room["id"], next_slot(), title="Secret merger")
    await house.client.post("/api/v1/auth/login", json={"user_id": "my secret password", "password": "hunter2hunter2"})
    await house.client.post("/api/v1/rooms", json=BODIES["/api/v1/rooms"], headers=house.hanako)
    connection = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    rows = await connection.fetch(
        "SELECT type, headers::text AS headers, convert_from(body, 'UTF8') AS body FROM outbox_event"
    )
    await connection.close()
    kinds = {row["type"] for row in rows}
    assert kinds >= {
        "identity.person.created.v1", "identity.login.succeeded.v1", "identity.login.failed.v1",
        "identity.access.denied.v1", "booking.room.created.v1", "booking.reservation.confirmed.v1",
    }  # fmt: skip
    everything = "".join(row["headers"] + row["body"] for row in rows) + house.service.log()
    for secret in (
        "Secret merger",
        "my secret password",
        "hunter2hunter2",
        "kaigishitsu",
        house.admin["Authorization"],
    ):
        assert secret not in everything
    failed = next(row for row in rows if row["type"] == "identity.login.failed.v1")
    assert '"ce-clientaddress": "127.0.0.1"' in failed["headers"]


@pytest.mark.requirement("ID-02")
async def test_sign_ins_leave_room_for_bookings(house: Any, next_slot: Callable[..., dict[str, str]]) -> None:
    room = await house.make_room()
    sign_ins = [asyncio.create_task(house.log_in("hanako")) for _ in range(20)]
    made = await house.place(room["id"], next_slot())
    waiting = sum(not task.done() for task in sign_ins)
    await asyncio.gather(*sign_ins)
    assert made.status_code == 201
    assert waiting > 0


@pytest.mark.requirement("BK-01")
async def test_rooms_are_listed_in_pages(house: Any) -> None:
    made = [(await house.make_room(features=["b", "a", "a"]))["id"] for _ in range(3)]
    first = await house.client.get(f"/api/v1/rooms?after={made[0] - 1}&limit=2", headers=house.taro)
    assert [room["id"] for room in first.json()["items"]] == made[:2]
    assert first.json()["items"][0]["features"] == ["a", "b"]
    second = await house.client.get(first.links["next"]["url"], headers=house.taro)
    assert second.json()["items"][0]["id"] == made[2]
    bad = await house.client.post("/api/v1/rooms", json=BODIES["/api/v1/rooms"], headers=house.admin)
    assert (bad.status_code, bad.json()["errors"][0]["code"]) == (422, "unknown-time-zone")


@pytest.mark.requirement("GW-05")
async def test_health_tells_the_public_pass_or_fail(house: Any, eventually: Callable[..., Awaitable[None]]) -> None:
    for question in ("live", "ready", "startup"):
        public = await house.client.get(f"/health/{question}")
        assert public.json() == {"status": "pass"}
        assert public.headers["content-type"] == "application/health+json"
    detailed = await house.client.get("/health/ready", headers=house.admin)
    assert "database:responseTime" in detailed.json()["checks"]


@pytest.mark.requirement("EV-07", "OB-01")
async def test_a_stranger_does_not_name_the_trace(house: Any) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await house.client.get("/api/v1/rooms", headers={**house.hanako, "traceparent": traceparent})
    assert answer.headers["X-Trace-Id"] not in ("0af7651916cd43dd8448eb211c80319c", "0" * 32)
