"""How a worker leaves: first it takes no new work, then it finishes what it has (GW-07).

On SIGTERM a worker answers "not ready", lets the kernel drop new connections, and asks clients to close theirs after
the next answer. A little later granian is told to stop: it finishes what is under way. Without that pause, connections
that the kernel had accepted and granian had not would be reset. Invariant: SIGTERM always ends the worker.

Source: socket(7), SO_ATTACH_FILTER; a filter that returns 0 drops the packet.
"""

import asyncio
import ctypes
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from loguru import logger

from yoyaku.booking.entrypoints.http.edge.listening import listening_sockets

_SO_ATTACH_FILTER: Final = 26
_BPF_RETURN: Final = 0x06


class Draining:
    """Whether this process is on its way out."""

    def __init__(self) -> None:
        self.begun = False


@contextmanager
def drained_on_sigterm(draining: Draining, begin: Callable[[], None], *, grace_seconds: float) -> Iterator[None]:
    """Take SIGTERM over from granian; `begin` is called first, granian's own way to stop (SIGINT) after the grace."""
    loop = asyncio.get_running_loop()

    def leave() -> None:
        if draining.begun:
            return
        draining.begun = True
        begin()
        refuse_new_connections()
        loop.call_later(grace_seconds, signal.raise_signal, signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, leave)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def refuse_new_connections() -> None:
    """Let the kernel drop what arrives for the listening sockets of this process; open connections are untouched."""
    for listening in listening_sockets():
        with listening:
            _drop_everything(listening)


def _drop_everything(listening: socket.socket) -> None:
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    program = struct.pack("HP", 1, ctypes.addressof(instruction))
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:
        logger.bind(cause=str(error)).warning("new connections could not be held off while draining")
