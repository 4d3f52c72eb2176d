"""The addresses that are refused for now, as one process knows them.

Invariant: a block ends by this process's own clock, whether or not anybody says so, and never later than was told.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Block:
    """One refused address. `key` names the block wherever it is kept."""

    key: str
    address: str
    until: datetime


class Blocklist:
    """Answers whether an address is blocked, from memory."""

    def __init__(self) -> None:
        self._by_key: dict[str, Block] = {}
        self._by_address: dict[str, Block] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, block: Block) -> None:
        """Add a block, or replace the one of the same key."""
        self.drop(block.key)
        self._by_key[block.key] = block
        self._by_address[normal_address(block.address)] = block

    def drop(self, key: str) -> None:
        """Forget a block; an unknown key changes nothing."""
        block = self._by_key.pop(key, None)
        if block is not None and self._by_address.get(normal_address(block.address)) is block:
            del self._by_address[normal_address(block.address)]

    def blocked_until(self, address: str | None, now: datetime) -> datetime | None:
        """Return when the block of the address ends; None when it is not blocked. Forgets a block that is over."""
        if not self._by_address or address is None:
            return None
        block = self._by_address.get(normal_address(address))
        if block is None:
            return None
        if block.until <= now:
            self.drop(block.key)
            return None
        return block.until

    def keys(self) -> frozenset[str]:
        """Name what is known."""
        return frozenset(self._by_key)


@lru_cache(maxsize=4096)
def normal_address(address: str) -> str:
    """Return one spelling for one address: IPv4 inside IPv6 is IPv4; what is no address stays as it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
