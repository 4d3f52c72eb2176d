"""The copy of the blocks in the database: written by the worker, read by a gateway that starts without NATS (GW-05)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from yoyaku.contracts.blocks import BlockValue, InvalidBlockError
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_PUT: Final = """
INSERT INTO block_copy (key, value, until) VALUES ($1, $2::text::jsonb, $3)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until
"""
_DROP: Final = "DELETE FROM block_copy WHERE key = $1"
_DROP_OTHERS: Final = "DELETE FROM block_copy WHERE NOT key = ANY ($1::text[])"
_EXPIRE: Final = "DELETE FROM block_copy WHERE until <= $1"
_READ: Final = "SELECT key, value::text AS value FROM block_copy WHERE until > $1"


class PostgresBlocks:
    """Reads and writes the copy."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, key: str, block: BlockValue) -> None:
        """Store a block under its key."""
        async with transaction(self._pool) as connection:
            await connection.execute(_PUT, key, block.to_bytes().decode(), block.until)

    async def drop(self, key: str) -> None:
        """Delete the block of a key, if there is one."""
        async with transaction(self._pool) as connection:
            await connection.execute(_DROP, key)

    async def drop_others(self, keys: Sequence[str]) -> None:
        """Delete every block but those."""
        async with transaction(self._pool) as connection:
            await connection.execute(_DROP_OTHERS, list(keys))

    async def expire(self, now: datetime) -> None:
        """Delete the blocks that are over."""
        async with transaction(self._pool) as connection:
            await connection.execute(_EXPIRE, now)

    async def read(self, now: datetime) -> list[tuple[str, BlockValue]]:
        """List the blocks still in force; one that cannot be read is left out."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_READ, now)
        blocks = []
        for row in rows:
            try:
                blocks.append((row["key"], BlockValue.from_bytes(row["value"].encode())))
            except InvalidBlockError:
                continue
        return blocks
