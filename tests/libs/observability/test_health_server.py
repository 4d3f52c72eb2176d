"""The small server, spoken to by a real client and by bad ones."""

import asyncio
import contextlib
import json

import httpx
import pytest

from yoyaku.observability import health_server as module
from yoyaku.observability.health import Health
from yoyaku.observability.health_checks import condition
from yoyaku.observability.health_server import health_server

pytestmark = pytest.mark.requirement("GW-05")


def service() -> Health:
    return Health("audit-log", "1", readiness=[condition("leader", lambda: False, otherwise="not yet")])


async def send(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_three_questions() -> None:
    async with (
        health_server(service(), port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        for path, status in (("live", 200), ("ready", 503), ("startup", 200), ("ready?verbose=1", 503)):
            answer = await client.get(f"/health/{path}")
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/health+json"
            assert answer.headers["cache-control"] == "no-store"
        assert (await client.get("/health/ready")).json()["checks"]["leader"][0]["output"] == "not yet"
        head = await client.head("/health/ready")
        assert (head.status_code, head.content) == (503, b"")


async def test_others_learn_pass_or_fail_only() -> None:
    async with health_server(service(), port=0, detailed=False) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/health/ready")).json() == {"status": "fail"}
    async with health_server(service(), port=0, host="0.0.0.0") as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/health/ready")).json() == {"status": "fail"}


async def test_other_paths_and_methods_are_refused() -> None:
    async with (
        health_server(service(), port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert (await client.get("/")).status_code == 404
        refused = await client.post("/health/live", content=b"x")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET /health/live HTTP/9\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000],
)
async def test_bad_clients_are_hung_up_on_and_harm_nobody(data) -> None:
    async with health_server(service(), port=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        answer = await send(port, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == "pass"


async def test_a_silent_client_is_dropped(monkeypatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.05)
    async with health_server(service(), port=0) as port:
        assert await send(port, b"GET /health/live") == b""


async def test_a_taken_port_is_an_error_and_a_closed_server_frees_it() -> None:
    async with health_server(service(), port=0) as port:
        with pytest.raises(OSError, match="in use"):
            async with health_server(service(), port=port):
                pass
    async with health_server(service(), port=port):
        pass
