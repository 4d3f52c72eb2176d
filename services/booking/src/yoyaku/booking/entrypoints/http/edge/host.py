"""The Host header: one, and a name of ours when the operator listed them."""

from collections.abc import Iterable, Sequence

from yoyaku.booking.entrypoints.http.problems import Problem


def check_host(headers: Iterable[tuple[bytes, bytes]], allowed: Sequence[str]) -> Problem | None:
    """Return why a request is not for this server; None when it is. Source: RFC 9110 7.2 and 7.4."""
    named = [value for name, value in headers if name == b"host"]
    if len(named) != 1 or not named[0]:
        return Problem(400, "bad-host", headers={"Connection": "close"})
    if not allowed:
        return None
    host = _without_port(named[0].decode("latin-1").lower())
    if any(_fits(host, pattern.lower()) for pattern in allowed):
        return None
    return Problem(421, "wrong-host")


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and (port.isdigit() or not port) and not host.endswith("]") else host


def _fits(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern
