"""Roots and proofs from what is stored: full tiles from `audit_tile`, and what stands right of them from the entries.

Invariant: nothing is read but the tiles that the answer is made of. A tile that is stored answers for every size at
which it was partial, by its beginning. One that is not full yet is made: at level 0 from the entries' leaf hashes,
above from the roots of the full tiles below; what was made of it is remembered, since it only grows.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import single_statement, transaction
from yoyaku.tlog.strict import HASH_BYTES
from yoyaku.tlog.tile_proofs import consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TILE_WIDTH, TileId, partial_tiles, tile_hash, tile_path

REMEMBERED_TILES: Final = 32
"""Partial tiles above level 0 that are kept as far as they were made: one a level and epoch, 8 KiB at most."""
_TILES_AT_ONCE: Final = 16
"""Tiles hashed before other work of the process has its turn: about two milliseconds."""

# The two last columns change when another state was put in place of the database: files of a backup (the server is
# started anew), or a dump (the table is made or filled anew).
_WANTED_TILES: Final = """
SELECT wanted.level, wanted.tile_index, wanted.width,
       substring(tile.hashes FROM 1 FOR wanted.width * 32) AS hashes,
       pg_postmaster_start_time() AS server_started_at, pg_relation_filenode('audit_tile') AS file
  FROM unnest($2::smallint[], $3::bigint[], $4::int[]) AS wanted (level, tile_index, width)
  LEFT JOIN audit_tile AS tile
    ON tile.epoch = $1 AND tile.level = wanted.level AND tile.tile_index = wanted.tile_index
"""
_STATE: Final = "SELECT pg_postmaster_start_time(), pg_relation_filenode('audit_tile')"
_FULL_TILES: Final = """
SELECT tile_index, hashes FROM audit_tile WHERE epoch = $1 AND level = $2 AND tile_index = ANY ($3::bigint[])
 ORDER BY tile_index
"""
_LEAVES: Final = """
WITH of_epoch AS MATERIALIZED (SELECT first_position FROM audit_epoch WHERE epoch = $1)
SELECT leaf_hash FROM audit_leaf_hash
 WHERE epoch = $1 AND position >= (SELECT first_position FROM of_epoch) + $2
   AND position < (SELECT first_position FROM of_epoch) + $3
 ORDER BY position
"""


class PostgresTree:
    """The trees of all epochs, as they are committed. For any number of tasks at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._made: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
        self._state: tuple[Any, ...] | None = None

    async def root(self, epoch: int, size: int) -> bytes:
        """Compute the root at a size. Raises IncompleteTreeError, ProofError, and the errors of yoyaku.postgres."""
        return (await self.tree(epoch, size)).root()

    async def tree(self, epoch: int, size: int) -> TileTree:
        """Read the right edge at a size, to append to. Raises as `root`."""
        return TileTree.restore(size, await self._tiles(epoch, partial_tiles(size)))

    async def tile(self, epoch: int, tile: TileId) -> bytes:
        """Read the hashes of a tile, or of the beginning of one. Raises as `root`."""
        return (await self._tiles(epoch, [tile]))[tile]

    async def inclusion_proof(self, epoch: int, index: int, size: int) -> list[bytes]:
        """Read the proof of a leaf. Raises as `root`."""
        return inclusion_proof(index, size, await self._tiles(epoch, tiles_for_inclusion(index, size)))

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        """Read the proof that a tree begins with an older one. Raises as `root`."""
        wanted = tiles_for_consistency(old_size, new_size)
        return consistency_proof(old_size, new_size, await self._tiles(epoch, wanted))

    async def _tiles(self, epoch: int, wanted: Sequence[TileId]) -> Mapping[TileId, bytes]:
        if not wanted:
            return {}
        levels, indexes, widths = [t.level for t in wanted], [t.index for t in wanted], [t.width for t in wanted]
        async with single_statement(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_WANTED_TILES, epoch, levels, indexes, widths)
        self._forget_unless((rows[0]["server_started_at"], rows[0]["file"]))
        found = {TileId(row["level"], row["tile_index"], row["width"]): row["hashes"] for row in rows}
        for tile in wanted:
            if found[tile] is None:
                found[tile] = await (self._leaves(epoch, tile) if tile.level == 0 else self._roots_below(epoch, tile))
        return found

    def _forget_unless(self, state: tuple[Any, ...]) -> None:
        if state != self._state:
            self._made.clear()
            self._state = state

    async def _leaves(self, epoch: int, tile: TileId) -> bytes:
        begin = tile.index * TILE_WIDTH
        async with single_statement(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_LEAVES, epoch, begin, begin + tile.width)
        if len(rows) != tile.width:
            raise IncompleteTreeError(f"{len(rows)} of {tile.width} entries of {tile_path(tile)} of epoch {epoch}")
        return b"".join(row["leaf_hash"] for row in rows)

    async def _roots_below(self, epoch: int, tile: TileId) -> bytes:
        place = (epoch, tile.level, tile.index)
        row = self._made.get(place, b"")
        if len(row) < tile.size_bytes:
            async with transaction(self._pool, read_only=True) as connection:
                state = await connection.fetchrow(_STATE)
                self._forget_unless(tuple(state or ()))
                row = self._made.get(place, b"")
                begin, end = tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width
                for at in range(begin + len(row) // HASH_BYTES, end, _TILES_AT_ONCE):
                    some = range(at, min(at + _TILES_AT_ONCE, end))
                    row += await self._read_roots(connection, epoch, tile.level - 1, some)
                self._remember(place, row)
        return row[: tile.size_bytes]

    async def _read_roots(self, connection: Connection, epoch: int, level: int, tiles: range) -> bytes:
        rows = await connection.fetch(_FULL_TILES, epoch, level, list(tiles))
        if len(rows) != len(tiles):
            stored = {row["tile_index"] for row in rows}
            missing = TileId(level, next(index for index in tiles if index not in stored))
            raise IncompleteTreeError(f"{tile_path(missing)} of epoch {epoch} is missing")
        await asyncio.sleep(0)
        return b"".join(tile_hash(row["hashes"]) for row in rows)

    def _remember(self, place: tuple[int, int, int], row: bytes) -> None:
        if len(row) >= len(self._made.get(place, b"")):
            self._made[place] = row
            self._made.move_to_end(place)
        while len(self._made) > REMEMBERED_TILES:
            self._made.popitem(last=False)
