"""What the database still knows of sealed entries: their event ids, and keyed digests of client addresses."""

from collections.abc import Callable
from typing import Final

from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import single_statement

_POSITION_OF: Final = "SELECT position FROM audit_recorded WHERE event_id = $1"
_FROM_ADDRESS: Final = "SELECT position FROM audit_client WHERE digest = $1 AND position >= $2 AND position < $3"


class PostgresSealedKeys:
    """`digest` is that of client addresses: 16 bytes, keyed."""

    def __init__(self, pool: Pool, digest: Callable[[str], bytes]) -> None:
        self._pool = pool
        self._digest = digest

    async def position_of(self, event_id: str) -> int | None:
        """Say where an event is recorded."""
        async with single_statement(self._pool, read_only=True) as connection:
            position: int | None = await connection.fetchval(_POSITION_OF, event_id)
        return position

    async def from_address(self, client_address: str, first_position: int, end_position: int) -> frozenset[int]:
        """Return the positions of a range that came from an address."""
        async with single_statement(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_FROM_ADDRESS, self._digest(client_address), first_position, end_position)
        return frozenset(row["position"] for row in rows)
