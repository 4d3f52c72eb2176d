"""A few lines of HTTP for services that have none of their own: /health/live, /health/ready, /health/startup.

Runs in the service's own event loop, so that a blocked loop shows as a probe without an answer. h11 parses; see
decision 0011 on why not granian's embedded server. Invariant: a client can hold neither more than 10 s nor more than
16 KiB.
"""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import h11

from yoyaku.observability.health import MEDIA_TYPE, Health, HealthReport

REQUEST_SECONDS: Final = 10.0
_MAX_REQUEST_BYTES: Final = 16_384
_READ_BYTES: Final = 4096


@asynccontextmanager
async def health_server(
    health: Health, *, port: int, host: str = "127.0.0.1", detailed: bool | None = None
) -> AsyncIterator[int]:
    """Serve the health of the process for the time of the block and yield the port (`port=0` picks a free one).

    `detailed` defaults to whether the host is the loopback: others learn pass or fail only. Raises OSError when the
    port is taken.
    """
    shows_details = _is_loopback(host) if detailed is None else detailed
    questions = {"/health/live": health.live, "/health/ready": health.ready, "/health/startup": health.startup}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, h11.RemoteProtocolError):
            async with asyncio.timeout(REQUEST_SECONDS):
                await _answer(reader, writer, questions, detailed=shows_details)
        with contextlib.suppress(OSError):
            writer.close()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    questions: Mapping[str, Callable[[], Awaitable[HealthReport]]],
    *,
    detailed: bool,
) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_REQUEST_BYTES)
    request = await _read_request(reader, connection)
    status, body = await _respond(request, questions, detailed=detailed)
    headers = [
        ("content-type", MEDIA_TYPE),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ]
    if status == 405:
        headers.append(("allow", "GET, HEAD"))
    parts = [connection.send(h11.Response(status_code=status, headers=headers))]
    if request.method != b"HEAD":
        parts.append(connection.send(h11.Data(data=body)))
    parts.append(connection.send(h11.EndOfMessage()))
    writer.write(b"".join(part for part in parts if part))
    await writer.drain()


async def _read_request(reader: asyncio.StreamReader, connection: h11.Connection) -> h11.Request:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            raise ConnectionResetError("closed before a request")
        connection.receive_data(await reader.read(_READ_BYTES))


async def _respond(
    request: h11.Request, questions: Mapping[str, Callable[[], Awaitable[HealthReport]]], *, detailed: bool
) -> tuple[int, bytes]:
    question = questions.get(request.target.partition(b"?")[0].decode("ascii", "replace"))
    if question is None:
        return 404, b'{"status": "fail", "output": "no such path"}'
    if request.method not in {b"GET", b"HEAD"}:
        return 405, b'{"status": "fail", "output": "GET or HEAD only"}'
    report = await question()
    return report.http_status, json.dumps(report.detailed() if detailed else report.public()).encode()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
