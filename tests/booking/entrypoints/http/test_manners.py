"""A gateway with tight limits, few origins and short patience, and what each of them looks like from outside."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio

from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import DatabaseFactory
from yoyaku.testkit.servers import NatsServer

Eventually = Callable[..., Awaitable[None]]
ORIGIN = "https://rooms.example.org"
TIGHT = {
    "ADDRESS_QUOTA": "40",
    "PERSON_QUOTA": "25",
    "SIGN_IN_ADDRESS_QUOTA": "8",
    "SIGN_IN_ACCOUNT_QUOTA": "6",
    "CONCURRENT_PER_ADDRESS": "4",
}
LOGIN = "/api/v1/auth/login"


@pytest_asyncio.fixture(scope="module")
async def strict(
    database_factory: DatabaseFactory,
    nats_server: NatsServer,
    test_secrets: Any,
    tmp_path_factory: pytest.TempPathFactory,
    booking_service: Any,
) -> AsyncIterator[Any]:
    """A furnished gateway of two workers that this module shares; each test comes from an address of its own."""
    service = booking_service.make(
        await database_factory.create("yoyaku.booking"),
        Bus(nats_server, test_secrets),
        test_secrets,
        tmp_path_factory.mktemp("strict"),
    )
    service.overrides |= {f"BOOKING_RATE_LIMIT__{name}": value for name, value in TIGHT.items()}
    service.overrides |= {f"BOOKING_RATE_LIMIT__{name}_WINDOW_SECONDS": "3600" for name in ("ADDRESS", "PERSON")}
    service.overrides |= {
        "BOOKING_WORKERS": "2",
        "BOOKING_DEADLINE_SECONDS": "1",
        "BOOKING_CORS_ORIGINS": json.dumps([ORIGIN]),
        "BOOKING_ALLOWED_HOSTS": json.dumps(["127.0.0.1", "*.example.org"]),
    }
    try:
        await service.start_gateway()
        house = await booking_service.furnish(service)
        yield house
        await house.client.aclose()
    finally:
        service.stop()


def client_at(house: Any, address: str) -> httpx.AsyncClient:
    # A fresh connection a request, so that both workers see some of them.
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=limits)
    return httpx.AsyncClient(base_url=house.service.url, transport=transport, timeout=20, trust_env=False)


async def throttled_events(house: Any) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(**house.service.database.admin.connect_arguments("tests"))
    try:
        rows = await connection.fetch(
            "SELECT convert_from(body, 'UTF8') AS body FROM outbox_event WHERE type = 'identity.request.throttled.v1'"
        )
    finally:
        await connection.close()
    return [json.loads(row["body"]) for row in rows]


def refused_by(answer: httpx.Response) -> str:
    assert answer.status_code == 429, answer.text
    body = answer.json()
    assert body["code"] == "too-many-requests"
    assert int(answer.headers["Retry-After"]) == body["retry_after_seconds"] >= 1
    return str(body["policy"])


@pytest.mark.requirement("GW-04")
async def test_an_address_that_floods_is_refused_and_its_neighbour_is_not(strict: Any, eventually: Eventually) -> None:
    async with client_at(strict, "127.0.0.11") as flood, client_at(strict, "127.0.0.12") as neighbour:
        answers = [await flood.get("/api/v1/rooms") for _ in range(60)]
        assert [answer.status_code for answer in answers] == [401] * 40 + [429] * 20
        assert refused_by(answers[-1]) == "address"
        assert answers[0].headers["RateLimit-Policy"] == '"address";q=40;w=3600'
        assert answers[0].headers["RateLimit"].startswith('"address";r=39;t=')
        assert answers[-1].headers["RateLimit"].startswith('"address";r=0;t=')
        assert answers[-1].headers["X-Content-Type-Options"] == "nosniff"
        assert len(answers[-1].headers["X-Trace-Id"]) == 32
        assert (await flood.get("/health/ready")).status_code == 200
        assert (await flood.get("/docs")).status_code == 200
        assert (await neighbour.get("/api/v1/rooms")).status_code == 401

        async def all_told() -> bool:
            events = [event for event in await throttled_events(strict) if event["client_address"] == "127.0.0.11"]
            return sum(event["count"] for event in events) == 20 and len(events) < 10

        await eventually(all_told)


@pytest.mark.requirement("GW-04")
async def test_a_person_is_one_person_from_any_address(strict: Any, next_slot: Callable[..., Any]) -> None:
    statuses = []
    for turn in range(4):
        async with client_at(strict, f"127.0.0.{20 + turn}") as client:
            answers = [await client.get("/api/v1/rooms", headers=strict.taro) for _ in range(10)]
            statuses += [answer.status_code for answer in answers]
            last = answers[-1]
            assert (await client.get("/api/v1/rooms", headers=strict.hanako)).status_code == 200
            body = json.dumps(next_slot()).encode()
    assert statuses.count(200) == 25
    assert refused_by(last) == "person"
    assert '"person";q=25;w=3600' in last.headers["RateLimit-Policy"]
    assert '"address";q=40;w=3600' in last.headers["RateLimit-Policy"]
    async with client_at(strict, "127.0.0.24") as client:
        # Refused by who asks, before the body says that it is wrong.
        assert refused_by(await client.post("/api/v1/reservations", content=body, headers=strict.taro)) == "person"


@pytest.mark.requirement("GW-04", "ID-01")
async def test_sign_ins_are_limited_by_address_and_by_account(strict: Any, eventually: Eventually) -> None:
    async with client_at(strict, "127.0.0.31") as client:
        answers = [await client.post(LOGIN, json={"user_id": f"nobody {turn}", "password": "x"}) for turn in range(10)]
        assert [answer.status_code for answer in answers] == [401] * 8 + [429] * 2
        assert refused_by(answers[-1]) == "sign-in-address"
    async with client_at(strict, "127.0.0.40") as client:
        answers = [await client.post(LOGIN, json={"user_id": "ToMoko", "password": f"{turn}"}) for turn in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 6 + [429] * 2
    assert refused_by(answers[-1]) == "sign-in-account"
    assert "sign-in-account" not in answers[0].headers["RateLimit"] + answers[0].headers["RateLimit-Policy"]
    assert "sign-in-account" in answers[-1].headers["RateLimit"]
    async with client_at(strict, "127.0.0.41") as owner:
        # Strangers do not keep the owner out.
        assert (await owner.post(LOGIN, json={"user_id": "tomoko", "password": "x"})).status_code == 401

    async def told() -> bool:
        events = [event for event in await throttled_events(strict) if event["policy"] == "sign-in-account"]
        return sum(event["count"] for event in events) == 2

    await eventually(told)
    (event, *_) = [event for event in await throttled_events(strict) if event["policy"] == "sign-in-account"]
    assert (event["key"], len(event["user_id_digest"]) >= 16, "omoko" in str(event)) == ("account", True, False)


@pytest.mark.requirement("GW-04")
async def test_slow_bodies_of_one_address_hold_few_places(strict: Any) -> None:
    address = urlsplit(strict.service.url)
    head = (
        "POST /api/v1/reservations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: 100\r\nAuthorization: {strict.admin['Authorization']}\r\n\r\n"
    ).encode()
    opened = []
    # Each worker counts its own, so twice as many and a few more are certainly too many.
    for _ in range(12):
        opened.append(await asyncio.open_connection(address.hostname, address.port, local_addr=("127.0.0.51", 0)))
        opened[-1][1].write(head)
    done, _ = await asyncio.wait([asyncio.create_task(reader.readline()) for reader, _ in opened], timeout=0.8)
    refused = [task for task in done if b"429" in task.result()]
    assert len(refused) >= 4
    for _, writer in opened:
        writer.close()
    async with client_at(strict, "127.0.0.52") as neighbour:
        assert (await neighbour.get("/api/v1/rooms", headers=strict.hanako)).status_code == 200


@pytest.mark.requirement("GW-04")
async def test_a_request_that_takes_too_long_is_undone(strict: Any, next_slot: Callable[..., Any]) -> None:
    room, slot = await strict.make_room(), next_slot()
    made = await strict.place(room["id"], slot)
    address = f"/api/v1/reservations/{made.json()['id']}/cancel"
    locked = await asyncpg.connect(**strict.service.database.admin.connect_arguments("tests"))
    try:
        await locked.execute("BEGIN; LOCK TABLE reservation IN ACCESS EXCLUSIVE MODE")
        late = await strict.client.post(address, json={"reason": "other"}, headers=strict.hanako)
        assert (late.status_code, late.json()["code"]) == (503, "deadline-exceeded"), late.text
        assert late.headers["Retry-After"]
    finally:
        await locked.close()
    again = await strict.client.post(address, json={"reason": "other"}, headers=strict.hanako)
    assert again.status_code == 200, again.text


@pytest.mark.requirement("GW-03")
async def test_other_origins_are_refused_and_ours_may_read_what_it_needs(strict: Any) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,if-match"}
    async with client_at(strict, "127.0.0.61") as client:
        allowed = await client.options("/api/v1/reservations", headers={"Origin": ORIGIN, **preflight})
        assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
        assert "Idempotency-Key" in allowed.headers["Access-Control-Allow-Headers"]
        assert "Origin" in allowed.headers["Vary"]
        other = await client.options("/api/v1/reservations", headers={"Origin": "https://evil.example", **preflight})
        assert (other.status_code, other.json()["code"]) == (403, "origin-not-allowed")
        assert "Access-Control-Allow-Origin" not in other.headers
        simple = await client.get("/api/v1/rooms", headers={"Origin": ORIGIN})
        assert simple.status_code == 401
        assert simple.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Access-Control-Allow-Credentials" not in simple.headers
        assert {"ETag", "RateLimit", "Retry-After", "X-Trace-Id"} <= set(
            simple.headers["Access-Control-Expose-Headers"].split(", ")
        )
        for answer in (allowed, other, simple):
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert len(answer.headers["X-Trace-Id"]) == 32
        for _ in range(45):
            refused = await client.get("/api/v1/rooms", headers={"Origin": ORIGIN})
        assert refused_by(refused) == "address"
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize(
    ("host", "status", "code"),
    [
        ("127.0.0.1", 401, "not-authenticated"),
        ("127.0.0.1:8080", 401, "not-authenticated"),
        ("ROOMS.example.org", 401, "not-authenticated"),
        ("example.org", 421, "wrong-host"),
        ("evil.example", 421, "wrong-host"),
        ("127.0.0.1.evil.example", 421, "wrong-host"),
        ("rooms.example.org:x", 421, "wrong-host"),
        ("[::1]", 421, "wrong-host"),
    ],
)
async def test_only_our_names(strict: Any, host: str, status: int, code: str) -> None:
    async with client_at(strict, "127.0.0.71") as client:
        answer = await client.get("/api/v1/rooms", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await client.get("/health/live", headers={"Host": host})).status_code == 200
