"""Clients that stop reading lose their connection, on the real kernel and on the real server."""

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from yoyaku.booking.entrypoints.http.edge.listening import end_stalled_connections

LIMIT_SECONDS = 30


@pytest.mark.requirement("GW-04")
def test_a_stalled_connection_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        end_stalled_connections(0.5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(listening.getsockname())
        accepted, _ = listening.accept()
        deadline = time.monotonic() + LIMIT_SECONDS
        with accepted, pytest.raises(TimeoutError):
            accepted.settimeout(LIMIT_SECONDS)
            while time.monotonic() < deadline:
                accepted.send(b"x" * 65536)


@pytest.mark.requirement("GW-04")
async def test_a_client_that_does_not_read_loses_its_place(
    own_house: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    address = urlsplit(own_house.service.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((address.hostname, address.port))
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        mine = client.getsockname()[1]

        async def served() -> bool:
            parent = psutil.Process(own_house.service.processes[0].pid)
            return any(
                connection.raddr and connection.raddr.port == mine
                for worker in parent.children()
                for connection in worker.net_connections("tcp")
            )

        async def ended() -> bool:
            return not await served()

        await eventually(served)
        await eventually(ended, within_seconds=2 * LIMIT_SECONDS)
    assert (await own_house.client.get("/api/v1/rooms", headers=own_house.admin)).status_code == 200
