"""Each call of the client is described in docs/api/openapi.json, and each answer described there is understood."""

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import SecretStr

from yoyaku.client import Client, Session
from yoyaku.client.pages import Pages

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).resolve().parents[3] / "docs/api/openapi.json").read_text())
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = date(2026, 12, 1)
ID = "0190c7c4-0000-7000-8000-00000000abcd"
SAMPLES = {"date-time": "2026-12-01T09:00:00Z", "date": "2026-12-01", "uuid": ID}

Call = Callable[[Client], Awaitable[Any] | Pages[Any]]
CALLS: dict[str, Call] = {
    "auth.log_in": lambda c: c.auth.log_in("hanako", "password"),
    "auth.refresh": lambda c: c.auth.refresh(),
    "auth.log_out": lambda c: c.auth.log_out(),
    "auth.sessions": lambda c: c.auth.sessions(),
    "auth.end_session": lambda c: c.auth.end_session(ID),
    "rooms.list": lambda c: c.rooms.list(
        site="Tokyo", capacity=4, features=["a", "b"], free_from=NOW, free_to=NOW, active=True
    ),
    "rooms.get": lambda c: c.rooms.get(1),
    "rooms.create": lambda c: c.rooms.create(
        name="Fuji",
        site="Tokyo",
        capacity=4,
        time_zone="Asia/Tokyo",
        features=["a"],
        opening_hours={"mon": [("09:00", "18:00")]},
        buffer_before_minutes=0,
        buffer_after_minutes=15,
    ),
    "rooms.change": lambda c: c.rooms.change(1, etag='"1"', capacity=5),
    "rooms.close": lambda c: c.rooms.close(1, first_date=DAY, last_date=DAY, reason="cleaning", force=True),
    "rooms.closures": lambda c: c.rooms.closures(1, starts_from=NOW, until=NOW),
    "rooms.sites": lambda c: c.rooms.sites(),
    "rooms.open_again": lambda c: c.rooms.open_again(1, ID),
    "rooms.retire": lambda c: c.rooms.retire(1, reason="rebuilt", force=False),
    "rooms.reinstate": lambda c: c.rooms.reinstate(1),
    "rooms.availability": lambda c: c.rooms.availability(1, DAY, DAY),
    "reservations.place": lambda c: c.reservations.place(room_id=1, starts_at=NOW, ends_at=NOW, title="Review"),
    "reservations.get": lambda c: c.reservations.get(ID),
    "reservations.list": lambda c: c.reservations.list(
        on=DAY, room_id=1, site="Tokyo", person_id=ID, status="confirmed"
    ),
    "reservations.mine": lambda c: c.reservations.mine(starts_from=NOW, until=NOW, status="confirmed"),
    "reservations.reschedule": lambda c: c.reservations.reschedule(
        ID, etag='"1"', starts_at=NOW, ends_at=NOW, room_id=2, title="Review"
    ),
    "reservations.cancel": lambda c: c.reservations.cancel(ID, reason="postponed", comment="later", etag='"1"'),
    "reservations.restore": lambda c: c.reservations.restore(ID, comment="by mistake"),
    "reservations.history": lambda c: c.reservations.history(ID),
    "people.list": lambda c: c.people.list(role="USER", disabled=False, search="hana"),
    "people.create": lambda c: c.people.create(user_id="hanako", display_name="花子", role="USER", password="a" * 12),
    "people.me": lambda c: c.people.me(),
    "people.get": lambda c: c.people.get(ID),
    "people.change": lambda c: c.people.change(ID, etag='"1"', display_name="花"),
    "people.disable": lambda c: c.people.disable(ID),
    "people.enable": lambda c: c.people.enable(ID),
    "people.reset_password": lambda c: c.people.reset_password(ID, "a" * 12),
    "people.change_password": lambda c: c.people.change_password(current="a" * 12, new="b" * 12),
    "calendars.create_mine": lambda c: c.calendars.create_mine(),
    "calendars.create_for_room": lambda c: c.calendars.create_for_room(1),
    "calendars.list": lambda c: c.calendars.list(),
    "calendars.revoke": lambda c: c.calendars.revoke(ID),
}


def operation_of(request: httpx.Request) -> dict[str, Any]:
    """Return the described operation, a literal path before one with a parameter."""
    for template in sorted(DOCUMENT["paths"], key=lambda path: path.count("{")):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.url.path):
            operation = DOCUMENT["paths"][template].get(request.method.lower())
            if operation is not None:
                found: dict[str, Any] = operation
                return found
    raise AssertionError(f"{request.method} {request.url.path} is not described")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        target: Any = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return {**resolved(target), **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def sample(schema: dict[str, Any]) -> Any:
    """Return a value that a schema describes, with every property in it."""
    schema = resolved(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return sample(next(one for one in schema[name] if one.get("type") != "null"))
    if "examples" in schema:
        return schema["examples"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(value) for name, value in schema.get("properties", {}).items()}
    if kind == "array":
        parts = schema.get("prefixItems") or [schema.get("items", {})]
        return [sample(part) for part in parts]
    return {"string": SAMPLES.get(schema.get("format", ""), "text"), "integer": 1, "number": 1.0, "boolean": True}.get(
        kind
    )


class Described(httpx.AsyncBaseTransport):
    """Checks each request against the document, and answers with what the document says comes back."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        operation = operation_of(request)
        self.operations.append(operation["operationId"])
        self._check_parameters(request, operation)
        self._check_body(request, operation)
        status, answer = next((code, found) for code, found in operation["responses"].items() if code.startswith("2"))
        content = resolved(answer).get("content", {}).get("application/json")
        if content is None:
            return httpx.Response(int(status))
        return httpx.Response(int(status), json=sample(content["schema"]), headers={"ETag": '"1"'})

    @staticmethod
    def _check_parameters(request: httpx.Request, operation: dict[str, Any]) -> None:
        described = [resolved(parameter) for parameter in operation.get("parameters", [])]
        names = {one["name"] for one in described if one["in"] == "query"}
        assert set(request.url.params) <= names, operation["operationId"]
        for one in described:
            if one.get("required") and one["in"] == "query":
                assert one["name"] in request.url.params
            if one.get("required") and one["in"] == "header":
                assert one["name"].lower() in request.headers
        if operation.get("security"):
            assert request.headers["authorization"] == "Bearer access"

    @staticmethod
    def _check_body(request: httpx.Request, operation: dict[str, Any]) -> None:
        described = operation.get("requestBody")
        if described is None:
            assert request.content in (b"", b"{}")
            return
        if not request.content and not described.get("required"):
            return
        schema = described["content"]["application/json"]["schema"]
        components = {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator({**schema, **components}).validate(json.loads(request.content))


def test_every_method_of_the_client_is_tried() -> None:
    client = Client("http://gateway.test")
    methods = {
        f"{name}.{method}"
        for name, resource in vars(client).items()
        if not name.startswith("_")
        for method, _ in inspect.getmembers(resource, callable)
        if not method.startswith("_")
    }
    assert methods == set(CALLS)


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("name", CALLS)
async def test_each_call_and_its_answer_are_as_described(name: str) -> None:
    session = Session(user_id="hanako", access_token=SecretStr("access"), expires_at=NOW, refresh_token=SecretStr("r"))
    described = Described()
    async with Client("http://gateway.test", session=session, transport=described) as client:
        called = CALLS[name](client)
        if isinstance(called, Pages):
            assert await called.all()
        else:
            await called
    assert len(described.operations) == 1
