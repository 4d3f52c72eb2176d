"""What careless and hostile clients send, over raw sockets to the real server: a 4xx problem, never a 500."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

PLACE = "/api/v1/reservations"
LOGIN = "/api/v1/auth/login"
GOOD = {"room_id": 1, "starts_at": "2033-01-01T09:00:00Z", "ends_at": "2033-01-01T10:00:00Z", "title": "x"}


async def send_raw(house: Any, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are and return the one answer."""
    address = urlsplit(house.service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            return int(lines[0].split(" ")[1]), headers, body
    finally:
        writer.close()


def request(
    house: Any,
    body: bytes,
    *,
    path: str = PLACE,
    method: str = "POST",
    content_type: str | None = "application/json",
    extra: str = "",
    signed_in: bool = True,
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if signed_in:
        lines.append(f"Authorization: {house.hanako['Authorization']}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode() + body


def problem(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    assert headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(body)
    assert found["trace_id"] == headers["x-trace-id"]
    return found


NOT_JSON = [
    (b"", "not-json"),
    (b"{", "not-json"),
    (b'{"room_id": 1,}', "not-json"),
    (b"\xff\xfe{}", "not-json"),
    (b"\xef\xbb\xbf{}", "not-json"),
    (b'{"title": "\\ud800"}', "not-json"),
    (b'{"room_id": 1, "room_id": 2}', "duplicate-key"),
    (b'{"a": {"b": 1, "b": 2}}', "duplicate-key"),
    (b'{"room_id": NaN}', "not-a-number"),
    (b'{"room_id": -Infinity}', "not-a-number"),
    (b"[" * 60_000, "too-deep"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too-deep"),
    (b'{"room_id": ' + b"9" * 5000 + b"}", "not-json"),
    (b'{"room_id": 1} {"room_id": 2}', "not-json"),
]


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize(("body", "code"), NOT_JSON)
@pytest.mark.parametrize("path", [PLACE, LOGIN])
async def test_malformed_json(house: Any, body: bytes, code: str, path: str) -> None:
    status, headers, answer = await send_raw(house, request(house, body, path=path))
    assert status == 400, answer
    assert [error["code"] for error in problem(headers, answer)["errors"]] == [code]


WRONG = [
    ({}, "room_id", "required"),
    ([], "body", "wrong-type"),
    (None, "body", "wrong-type"),
    ({**GOOD, "room_id": "1"}, "room_id", "wrong-type"),
    ({**GOOD, "room_id": 1.5}, "room_id", "wrong-type"),
    ({**GOOD, "room_id": True}, "room_id", "wrong-type"),
    ({**GOOD, "room_id": 0}, "room_id", "too-small"),
    ({**GOOD, "room_id": 2**31}, "room_id", "too-large"),
    ({**GOOD, "room_id": 10**30}, "room_id", "too-large"),
    ({**GOOD, "room_id": None}, "room_id", "wrong-type"),
    ({**GOOD, "title": ""}, "title", "too-short"),
    ({**GOOD, "title": "x" * 201}, "title", "too-long"),
    ({**GOOD, "title": "a\x00b"}, "title", "bad-characters"),
    ({**GOOD, "title": ["x"]}, "title", "wrong-type"),
    ({**GOOD, "colour": "red"}, "colour", "unknown-field"),
    ({**GOOD, "starts_at": {}}, "starts_at", "bad-time"),
    ({**GOOD, "starts_at": 1988150400}, "starts_at", "bad-time"),
    ({**GOOD, "starts_at": "1988150400"}, "starts_at", "bad-time"),
    ({**GOOD, "ends_at": "9999-12-31T23:59:59-23:59"}, "ends_at", "absurd-time"),
    ({**GOOD, "ends_at": "2033-06-30T23:59:60Z"}, "ends_at", "bad-time"),
]


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize(("body", "field", "code"), WRONG)
async def test_wrong_fields_are_named(house: Any, body: Any, field: str, code: str) -> None:
    status, headers, answer = await send_raw(house, request(house, json.dumps(body).encode()))
    assert status == 422, answer
    found = [(error["field"], error["code"]) for error in problem(headers, answer)["errors"]]
    assert (field, code) in found


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/xml",
    ],
)
async def test_other_content_types(house: Any, content_type: str | None) -> None:
    status, headers, answer = await send_raw(
        house, request(house, json.dumps(GOOD).encode(), content_type=content_type)
    )
    assert (status, problem(headers, answer)["code"]) == (415, "unsupported-media-type")


@pytest.mark.requirement("GW-02")
async def test_compressed_bodies_are_refused(house: Any) -> None:
    raw = request(house, b"\x1f\x8b\x08", extra="Content-Encoding: gzip\r\n")
    status, headers, answer = await send_raw(house, raw)
    assert (status, problem(headers, answer)["code"]) == (415, "unsupported-media-type")


@pytest.mark.requirement("GW-04")
async def test_a_declared_body_may_not_be_too_large(house: Any) -> None:
    status, headers, answer = await send_raw(house, request(house, b" " * (64 * 1024 + 1)))
    assert (status, problem(headers, answer)["code"]) == (413, "body-too-large")
    status, headers, answer = await send_raw(house, request(house, b" " * (64 * 1024)))
    assert status == 400


@pytest.mark.requirement("GW-04")
async def test_a_chunked_body_may_not_be_too_large(house: Any) -> None:
    head = (
        f"POST {PLACE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\nAuthorization: {house.hanako['Authorization']}\r\n\r\n"
    ).encode()
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    status, headers, answer = await send_raw(house, head + chunk * 9 + b"0\r\n\r\n")
    assert (status, problem(headers, answer)["code"]) == (413, "body-too-large")


@pytest.mark.requirement("GW-02")
async def test_huge_headers(house: Any) -> None:
    for size in (17_000, 60_000):
        raw = request(house, b"{}", extra=f"X-Padding: {'x' * size}\r\n")
        status, headers, answer = await send_raw(house, raw)
        assert (status, problem(headers, answer)["code"]) == (431, "headers-too-large")
    status, _, _ = await send_raw(house, request(house, b"{}", extra=f"X-Padding: {'x' * 500_000}\r\n"))
    assert status == 431


@pytest.mark.requirement("GW-02")
async def test_long_addresses(house: Any) -> None:
    status, headers, answer = await send_raw(house, request(house, b"", path="/" + "x" * 9000, method="GET"))
    assert (status, problem(headers, answer)["code"]) == (414, "address-too-long")


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/v1/reservations/", 404, "not-found"),
        ("GET", "/api/v1//reservations?date=2033-01-01", 404, "not-found"),
        ("DELETE", "/api/v1/rooms", 405, "method-not-allowed"),
        ("BREW", "/api/v1/rooms", 405, "method-not-allowed"),
        ("GET", "/api/v1/rooms?limit=0", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?limit=a", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?colour=red", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?site=%00", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?feature=a%00", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?room_id=1&site=%00", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?limit=1&limit=2", 422, "invalid-request"),
        ("GET", "/api/v1/reservations/00000000-0000-0000-0000-000000000000?colour=red", 422, "invalid-request"),
        ("GET", "/api/v1/rooms?after=99999999999999999999", 422, "invalid-request"),
        ("GET", "/api/v1/reservations", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=2033-02-30", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=1700000000", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=0001-01-01", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=2033-W05-2", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=9999-12-31", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=2033-02-01&cursor=AAAA", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=2033-02-01&cursor=%00", 422, "invalid-request"),
        ("GET", "/api/v1/reservations?date=2033-02-01&room_id=-1", 422, "invalid-request"),
        ("GET", "/docs/assets/../../etc/passwd", 404, "not-found"),
    ],
)
async def test_odd_requests(house: Any, method: str, path: str, status: int, code: str) -> None:
    found, headers, answer = await send_raw(house, request(house, b"", path=path, method=method, content_type=None))
    assert (found, problem(headers, answer)["code"]) == (status, code)


@pytest.mark.requirement("GW-02", "BK-10")
async def test_texts_in_the_callers_language(house: Any) -> None:
    for wanted, language in (("ja", "ja"), ("fr, ja;q=0.5, en;q=0.1", "ja"), ("de", "en"), ("ja;q=0", "en")):
        raw = request(house, b"{}", extra=f"Accept-Language: {wanted}\r\n")
        _, headers, answer = await send_raw(house, raw)
        assert headers["content-language"] == language
        first = problem(headers, answer)["errors"][0]["message"]
        assert ("必須" in first) == (language == "ja")


@pytest.mark.requirement("GW-03")
async def test_every_answer_has_its_headers(house: Any) -> None:
    for path in ("/", "/health/live", "/openapi.json", "/docs", "/api/v1/rooms"):
        status, headers, _ = await send_raw(house, request(house, b"", path=path, method="GET", content_type=None))
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert len(headers["x-trace-id"]) == 32
        assert headers.get("server", "") == ""
        assert "strict-transport-security" not in headers
        assert status in (200, 404)


@pytest.mark.requirement("ID-07")
async def test_forwarding_headers_are_not_believed(house: Any) -> None:
    extra = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
    _, headers, _ = await send_raw(house, request(house, b"{}", extra=extra))
    assert "strict-transport-security" not in headers


@pytest.mark.requirement("GW-02")
async def test_bytes_that_are_no_http(house: Any) -> None:
    for raw in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
        status, _, _ = await send_raw(house, raw)
        assert 400 <= status < 500


@pytest.mark.requirement("GW-01", "GW-09")
async def test_docs_need_no_other_host(house: Any) -> None:
    page = await house.client.get("/docs")
    addresses = [part.split('"')[0] for part in page.text.replace('href="', 'src="').split('src="')[1:]]
    assert len(addresses) == 3
    for address in addresses:
        assert address.startswith("/docs/assets/")
        asset = await house.client.get(address)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        again = await house.client.get(address, headers={"If-None-Match": asset.headers["etag"]})
        assert again.status_code == 304


BROKEN_CHUNKS = [b"zz\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff1\r\n{}", b"1\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n"]


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize("chunks", BROKEN_CHUNKS)
@pytest.mark.parametrize("path", [PLACE, LOGIN])
async def test_broken_chunks(house: Any, chunks: bytes, path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\nAuthorization: {house.hanako['Authorization']}\r\n\r\n"
    ).encode()
    status, headers, answer = await send_raw(house, head + chunks)
    assert (status, problem(headers, answer)["code"]) == (400, "body-incomplete")


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_a_cursor_outside_the_calendar(house: Any, at: str) -> None:
    cursor = base64.urlsafe_b64encode(f"{at} {UUID(int=0)}".encode()).decode().rstrip("=")
    path = f"{PLACE}?date=2033-02-01&cursor={cursor}"
    status, headers, answer = await send_raw(house, request(house, b"", path=path, method="GET", content_type=None))
    assert status == 422
    assert [(error["field"], error["code"]) for error in problem(headers, answer)["errors"]] == [
        ("cursor", "bad-cursor")
    ]


@pytest.mark.requirement("GW-02")
@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/health/live", 405), ("GET", "/health/none", 404)])
async def test_problems_of_health_have_a_trace_id(house: Any, method: str, path: str, status: int) -> None:
    found, headers, answer = await send_raw(house, request(house, b"", path=path, method=method, content_type=None))
    assert found == status
    assert len(problem(headers, answer)["trace_id"]) == 32


@pytest.mark.requirement("BK-04", "GW-02")
async def test_two_idempotency_keys_are_none(house: Any) -> None:
    raw = request(house, json.dumps(GOOD).encode(), extra="Idempotency-Key: a\r\nIdempotency-Key: b\r\n")
    status, headers, answer = await send_raw(house, raw)
    assert status == 422
    assert problem(headers, answer)["errors"][0]["code"] == "bad-key"
