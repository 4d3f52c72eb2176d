"""Chooses TCP ports on loopback, and names who holds one that is taken.

Invariant: a chosen port lies below the range from which the kernel takes the ports of outgoing connections.
A client that keeps dialling the port of a stopped server can otherwise be connected to itself, and then
holds the port the server needs back.
"""

import json
import random
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Final

import psutil

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 20_000
HIGHEST_PORT = 32_000
_ATTEMPTS = 200
_given: Final[set[int]] = set()
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class PortError(Exception):
    """A port on loopback cannot be had."""


class PortTakenError(PortError):
    """The port that was asked for is in use; says by whom where the system tells."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(
            f"port {port} on {LOOPBACK} is in use by {holder}: stop it, or choose another port (`yoyaku up --port N`)"
        )
        self.port = port
        self.holder = holder


class PortForbiddenError(PortError):
    """The port that was asked for is one that the user may not listen on."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {LOOPBACK} is not for this user: choose one from 1024 (`yoyaku up --port N`)")
        self.port = port


class NoFreePortError(PortError):
    """No free port was found."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def choosable_ports() -> range:
    """Return the ports to choose from."""
    highest = min(HIGHEST_PORT, _first_ephemeral_port() - 1)
    return range(min(LOWEST_PORT, highest // 2), highest + 1)


def choose_port(*, besides: Collection[int] = ()) -> int:
    """Return a free port of loopback, at random, that is not in `besides`, and never the same twice in one process.

    A port is free until its server listens, so being free does not tell whether it was given to another one already.
    Raises NoFreePortError.
    """
    ports = choosable_ports()
    for _ in range(_ATTEMPTS):
        port = random.choice(ports)  # noqa: S311 -- spreads the choices, protects nothing
        if port not in _given and port not in besides and is_free(port):
            _given.add(port)
            return port
    raise NoFreePortError(f"no free port between {ports[0]} and {ports[-1]} after {_ATTEMPTS} attempts")


def require_free(port: int) -> int:
    """Return `port`. Raises PortTakenError that names who holds it, or PortForbiddenError."""
    if not is_free(port):
        if _is_forbidden(port):
            raise PortForbiddenError(port)
        raise PortTakenError(port, describe_holder(port))
    return port


def _is_forbidden(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            return True
        except OSError:
            return False
        return False


def describe_holder(port: int) -> str:
    """Name the process that listens on `port`, or say that the system does not tell."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            return _describe_process(connection.pid)
    return "another program"


class RememberedPorts:
    """The ports of one data folder, kept in a file, so that the next start gives the same addresses.

    Invariant: no two names have the same port.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def port_for(self, name: str, *, fixed: int = 0) -> int:
        """Return the port of `name`: the fixed one, else the one of last time while free, else a new one.

        Raises PortTakenError when a fixed port is in use.
        """
        if fixed:
            port = require_free(fixed)
        else:
            others = self._read()
            last = others.pop(name, 0)
            is_own = last not in others.values()
            port = last if last and is_own and is_free(last) else choose_port(besides=others.values())
        self._write({**self._read(), name: port})
        return port

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(stored, dict):
            return {}
        return {str(name): port for name, port in stored.items() if isinstance(port, int)}

    def _write(self, ports: dict[str, int]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(ports, indent=1, sort_keys=True) + "\n")


def _first_ephemeral_port() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return HIGHEST_PORT + 1


def _describe_process(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{process.name()} (pid {pid}, user {process.username()})"
    except psutil.Error:
        return f"process {pid}"
