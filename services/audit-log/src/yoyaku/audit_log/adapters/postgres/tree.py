"""Roots and proofs from what is stored: full tiles from `audit_tile`, and what stands right of them from the entries.

Invariant: nothing is read but the tiles that the answer is made of. A tile that is stored answers for every size at
which it was partial, by its beginning. One that is not full yet is made: at level 0 from the entries' leaf hashes,
above from the roots of the full tiles below, which are remembered, since a full tile never changes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction
from yoyaku.tlog.tile_proofs import consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TILE_WIDTH, TileId, partial_tiles, tile_hash, tile_path

REMEMBERED_ROOTS: Final = 4096
"""Roots of full tiles that are kept: at most 255 a level stand in the partial tiles of one tree."""
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
_FULL_TILES: Final = """
SELECT tile_index, hashes FROM audit_tile WHERE epoch = $1 AND level = $2 AND tile_index = ANY ($3::bigint[])
 ORDER BY tile_index
"""
_LEAVES: Final = """
WITH of_epoch AS MATERIALIZED (SELECT first_position FROM audit_epoch WHERE epoch = $1)
SELECT leaf_hash FROM audit_entry
 WHERE epoch = $1 AND position >= (SELECT first_position FROM of_epoch) + $2
   AND position < (SELECT first_position FROM of_epoch) + $3
 ORDER BY position
"""


class PostgresTree:
    """The trees of all epochs, as they are committed. For any number of tasks at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._roots: OrderedDict[tuple[int, TileId], bytes] = OrderedDict()
        self._state: tuple[Any, ...] | None = None

    async def root(self, epoch: int, size: int) -> bytes:
        """Compute the root at a size. Raises IncompleteTreeError, ProofError, and the errors of yoyaku.postgres."""
        return (await self.tree(epoch, size)).root()

    async def tree(self, epoch: int, size: int) -> TileTree:
        """Read the right edge at a size, to append to. Raises as `root`."""
        return TileTree.restore(size, await self._tiles(epoch, partial_tiles(size)))

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
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(
                _WANTED_TILES,
                epoch,
                [tile.level for tile in wanted],
                [tile.index for tile in wanted],
                [tile.width for tile in wanted],
            )
            self._forget_unless((rows[0]["server_started_at"], rows[0]["file"]))
            found = {TileId(row["level"], row["tile_index"], row["width"]): row["hashes"] for row in rows}
            for tile in wanted:
                if found[tile] is None:
                    made = self._leaves if tile.level == 0 else self._roots_below
                    found[tile] = await made(connection, epoch, tile)
        return found

    def _forget_unless(self, state: tuple[Any, ...]) -> None:
        if state != self._state:
            self._roots.clear()
            self._state = state

    async def _leaves(self, connection: Connection, epoch: int, tile: TileId) -> bytes:
        begin = tile.index * TILE_WIDTH
        rows = await connection.fetch(_LEAVES, epoch, begin, begin + tile.width)
        if len(rows) != tile.width:
            raise IncompleteTreeError(f"{len(rows)} of {tile.width} entries of {tile_path(tile)} of epoch {epoch}")
        return b"".join(row["leaf_hash"] for row in rows)

    async def _roots_below(self, connection: Connection, epoch: int, tile: TileId) -> bytes:
        begin = tile.index * TILE_WIDTH
        below = [TileId(tile.level - 1, index) for index in range(begin, begin + tile.width)]
        unknown = [child for child in below if (epoch, child) not in self._roots]
        roots = {child: self._roots[epoch, child] for child in below if (epoch, child) in self._roots}
        for at in range(0, len(unknown), _TILES_AT_ONCE):
            roots |= await self._read_roots(connection, epoch, unknown[at : at + _TILES_AT_ONCE])
        self._remember(epoch, below, roots)
        return b"".join(roots[child] for child in below)

    async def _read_roots(self, connection: Connection, epoch: int, tiles: Sequence[TileId]) -> dict[TileId, bytes]:
        rows = await connection.fetch(_FULL_TILES, epoch, tiles[0].level, [tile.index for tile in tiles])
        if len(rows) != len(tiles):
            stored = {row["tile_index"] for row in rows}
            missing = next(tile for tile in tiles if tile.index not in stored)
            raise IncompleteTreeError(f"{tile_path(missing)} of epoch {epoch} is missing")
        await asyncio.sleep(0)
        return {TileId(tiles[0].level, row["tile_index"]): tile_hash(row["hashes"]) for row in rows}

    def _remember(self, epoch: int, tiles: Iterable[TileId], roots: Mapping[TileId, bytes]) -> None:
        for tile in tiles:
            self._roots[epoch, tile] = roots[tile]
            self._roots.move_to_end((epoch, tile))
        while len(self._roots) > REMEMBERED_ROOTS:
            self._roots.popitem(last=False)
