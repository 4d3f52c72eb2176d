"""The listening sockets of this process, and what the kernel is told about the connections they take.

Invariant: a connection whose client stopped reading ends; it would hold one of a bounded number of places for ever.
Source: tcp(7), TCP_USER_TIMEOUT: accepted sockets inherit it, and a window that stays shut counts.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_LOOK_AGAIN_SECONDS: Final = 0.02


def listening_sockets() -> Iterator[socket.socket]:
    """Yield each listening TCP socket of this process, duplicated; close it when done. Linux only."""
    if sys.platform != "linux":
        return
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        is_inet = found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM
        if is_inet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            yield found
        else:
            found.close()


def end_stalled_connections(seconds: float) -> bool:
    """Have the kernel end connections, accepted from now on, whose client takes nothing for so long. Linux only.

    Returns whether anything listened already.
    """
    found = False
    for listening in listening_sockets():
        with listening:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
        found = True
    return found


@asynccontextmanager
async def stalled_connections_ended(seconds: float) -> AsyncIterator[None]:
    """Do so as soon as this process listens: granian opens its socket when the application has started."""

    async def wait() -> None:
        # No event tells when the server begins to listen.
        while not end_stalled_connections(seconds):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    if sys.platform != "linux":
        yield
        return
    waiting = asyncio.create_task(wait())
    try:
        yield
    finally:
        waiting.cancel()
