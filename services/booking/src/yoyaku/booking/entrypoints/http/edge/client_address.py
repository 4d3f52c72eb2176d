"""Where a request comes from: the socket's address, or what trusted proxies say (ID-07).

Invariant: only what a trusted proxy wrote is believed. Hops are read from the right, each by the proxy to its right,
and the first that is no trusted proxy, or cannot be read, ends it; what stands left of it is the client's own word.
Source: RFC 7239 (Forwarded, with its IPv6, ports and obfuscated nodes); `X-Forwarded-For` has no standard.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Literal, TypeAlias

from yoyaku.booking.domain.blocklist import normal_address

Network: TypeAlias = IPv4Network | IPv6Network
ForwardedHeader: TypeAlias = Literal["x-forwarded-for", "forwarded"]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

UNKNOWN_ADDRESS: Final = "unknown"
HOP_LIMIT: Final = 32
"""More hops than any chain of proxies has; what stands left of them is not read."""
_SCHEMES: Final = frozenset({"http", "https"})
_PORT: Final = r"(?::(?:\d{1,5}|_[\w.-]+))?"
_NODE: Final = re.compile(rf"\[(?P<v6>[0-9A-Fa-f:.]+)\]{_PORT}|(?P<v4>[0-9.]+){_PORT}", re.ASCII)
_WORD: Final = r"[\w!#$%&'*+.^`|~-]+"
_PAIR: Final = re.compile(rf'(?P<name>{_WORD})=(?:(?P<token>{_WORD})|"(?P<quoted>[^"\\]*)")', re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a request, and how it reached the outermost trusted machine."""

    address: str
    scheme: str
    by_proxy: bool
    """Whether the socket is a trusted proxy's."""


@dataclass(frozen=True, slots=True)
class _Hop:
    """What one proxy says of the machine that called it; None is what it does not say, or not readably."""

    address: str | None
    scheme: str | None


class TrustedProxies:
    """Judges requests by the networks of the proxies that are trusted; with none, only by the socket."""

    def __init__(self, networks: Sequence[Network], header: ForwardedHeader) -> None:
        self._networks = tuple(networks)
        self._header = header.encode()
        self._hops = _forwarded if header == "forwarded" else _x_forwarded
        self._trusts = lru_cache(maxsize=4096)(self._is_trusted)

    def origin(self, peer: str | None, scheme: str, headers: Headers) -> Origin:
        """Return where a request comes from."""
        address = normal_address(peer) if peer else UNKNOWN_ADDRESS
        if not self._networks or not self._trusts(address):
            return Origin(address, scheme, by_proxy=False)
        for hop in self._hops(headers, self._header):
            if hop.address is None:
                break
            address, scheme = hop.address, hop.scheme or scheme
            if not self._trusts(address):
                break
        return Origin(address, scheme, by_proxy=True)

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _x_forwarded(headers: Headers, header: bytes) -> Iterator[_Hop]:
    protocols = _elements(headers, b"x-forwarded-proto")
    # A list has one protocol a hop when every proxy adds its own; most set the one that the client used.
    schemes = [_scheme(text) for text in protocols]
    for place, text in enumerate(_elements(headers, header)):
        scheme = schemes[place] if place < len(schemes) else (schemes[0] if len(schemes) == 1 else None)
        yield _Hop(_address(text), scheme)


def _forwarded(headers: Headers, header: bytes) -> Iterator[_Hop]:
    for text in _elements(headers, header):
        pairs = _pairs(text)
        yield _Hop(_address(pairs.get("for", "")), _scheme(pairs.get("proto", "")))


def _elements(headers: Headers, header: bytes) -> list[str]:
    """Return the last elements of a list header, the last first.

    Commas count even in quotes: whoever wrote the left part could otherwise swallow, with one open quote, what a proxy
    appended. An element of ours that had a comma in quotes would be unreadable, and so end the search.
    """
    found: list[str] = []
    for name, value in reversed(list(headers)):
        if name == header and len(found) < HOP_LIMIT:
            found.extend(reversed(value.decode("latin-1").rsplit(",", HOP_LIMIT)[-HOP_LIMIT:]))
    return [text.strip(" \t") for text in found[:HOP_LIMIT]]


def _pairs(element: str) -> dict[str, str]:
    """Return the parameters of a `Forwarded` element; none when any of it cannot be read or comes twice."""
    pairs: dict[str, str] = {}
    for part in element.split(";"):
        match = _PAIR.fullmatch(part.strip(" \t"))
        if match is None or match["name"].lower() in pairs:
            return {}
        pairs[match["name"].lower()] = match["quoted"] if match["token"] is None else match["token"]
    return pairs


def _address(node: str) -> str | None:
    """Return the address of a node: bare, or with a port; IPv6 with a port in brackets."""
    match = _NODE.fullmatch(node)
    text = (match["v6"] or match["v4"]) if match else node
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if getattr(parsed, "scope_id", None) is not None:
        return None
    return normal_address(str(parsed))


def _scheme(text: str) -> str | None:
    return text.lower() if text.lower() in _SCHEMES else None
