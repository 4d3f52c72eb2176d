"""HEAD, OPTIONS, TRACE, Expect and Host: what every address answers alike, over raw sockets to the real server."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest


async def exchange(house: Any, raw: bytes, *, seconds: float = 20) -> bytes:
    """Send bytes as they are and return all that comes back until the server closes."""
    address = urlsplit(house.service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(raw)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


def raw_request(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Connection: close", *headers, "", "")).encode()


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("path", ["/api/v1/rooms", "/health/live", "/openapi.json", "/docs", "/api/v1/reservations"])
async def test_head_is_get_without_the_body(house: Any, path: str) -> None:
    params = {"date": "2033-01-01"} if path.endswith("reservations") else None
    get = await house.client.get(path, headers=house.hanako, params=params)
    head = await house.client.head(path, headers=house.hanako, params=params)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    token = house.hanako["Authorization"]
    whole = await exchange(house, raw_request("HEAD", path, "Host: localhost", f"Authorization: {token}"))
    assert whole.endswith(b"\r\n\r\n")


@pytest.mark.requirement("GW-01")
async def test_head_where_there_is_no_get(house: Any) -> None:
    answer = await house.client.head("/api/v1/auth/login")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
    assert (await house.client.head("/api/v1/nothing")).status_code == 404


@pytest.mark.requirement("GW-01")
async def test_options_names_the_methods(house: Any) -> None:
    answer = await house.client.options("/api/v1/reservations")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert "Access-Control-Allow-Origin" not in answer.headers
    refused = await house.client.request("PUT", "/api/v1/reservations", headers=house.hanako)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert (await house.client.options("/api/v1/nothing")).status_code == 404
    star = await exchange(house, raw_request("OPTIONS", "*", "Host: localhost"))
    assert star.startswith(b"HTTP/1.1 204"), star


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/api/v1/users/me", "PATCH", "GET, HEAD, OPTIONS"),
        ("/api/v1/reservations/my", "DELETE", "GET, HEAD, OPTIONS"),
        ("/api/v1/calendars/secret.ics", "DELETE", "GET, HEAD, OPTIONS"),
        ("/api/v1/users/01a20b31-ebbe-7335-a348-55eb3ac581f8", "PUT", "GET, HEAD, PATCH, OPTIONS"),
    ],
)
async def test_the_most_exact_address_wins(house: Any, path: str, method: str, allow: str) -> None:
    assert (await house.client.options(path)).headers["Allow"] == allow
    refused = await house.client.request(method, path, headers=house.hanako)
    assert (refused.status_code, refused.headers.get("Allow")) == (405, allow)


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize(("method", "status"), [("TRACE", 405), ("BREW", 405), ("PROPFIND", 405)])
async def test_other_methods_are_refused_and_nothing_is_echoed(house: Any, method: str, status: int) -> None:
    answer = await house.client.request(method, "/api/v1/rooms", headers={**house.hanako, "X-Probe": "echo-me"})
    assert (answer.status_code, answer.json()["code"]) == (status, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert "echo-me" not in answer.text


@pytest.mark.requirement("GW-02")
async def test_one_host_header(house: Any) -> None:
    for headers in ((), ("Host: a", "Host: b")):
        answer = await exchange(house, raw_request("GET", "/api/v1/rooms", *headers))
        assert answer.startswith(b"HTTP/1.1 400"), headers
        assert b"bad-host" in answer


@pytest.mark.requirement("GW-04")
async def test_a_body_is_asked_for_only_when_it_will_be_read(house: Any) -> None:
    path, host, expect = "/api/v1/reservations", "Host: localhost", "Expect: 100-continue"
    content = ("Content-Type: application/json", "Content-Length: 2")
    refused = await exchange(house, raw_request("POST", path, host, expect, *content))
    assert refused.startswith(b"HTTP/1.1 401")
    address = urlsplit(house.service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(raw_request("POST", path, host, expect, *content, f"Authorization: {house.hanako['Authorization']}"))
    async with asyncio.timeout(5):
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.write(b"{}")
        assert b"HTTP/1.1 422" in await reader.read()
    writer.close()
