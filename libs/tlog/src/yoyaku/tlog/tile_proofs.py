"""Proofs read from tiles: which tiles a proof needs, and the proof itself from their bytes.

The tiles are named for a tree of one size: a partial tile at its width in that tree. Who has a wider one of the same
place gives its beginning (`data[: tile.size_bytes]`). A proof in a tree of ten million leaves needs three to six tiles.
Nothing here checks hashes: `merkle.verify_inclusion` and `verify_consistency` do, against a root that somebody signed.
"""

from collections.abc import Iterable, Mapping

from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.merkle import Node, consistency_nodes, fold, inclusion_nodes
from yoyaku.tlog.strict import HASH_BYTES
from yoyaku.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, TileId, tile_hash, tile_path


def tiles_for_inclusion(index: int, size: int) -> list[TileId]:
    """Name the tiles that the proof of a leaf in the tree of a size is read from. Raises ProofError for no leaf."""
    return _tiles(inclusion_nodes(index, size), size)


def inclusion_proof(index: int, size: int, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    """Read the proof of a leaf in the tree of a size, from the leaf's sibling up (RFC 6962, section 2.1.1).

    `tiles` holds at least what `tiles_for_inclusion` names. Raises ProofError for no leaf of the tree,
    MalformedTileError for a tile that is missing or has a wrong length.
    """
    return _proof(inclusion_nodes(index, size), size, tiles)


def tiles_for_consistency(old_size: int, new_size: int) -> list[TileId]:
    """Name the tiles, of the new tree, that the proof from an old size is read from.

    Raises ProofError when the old tree is the larger one.
    """
    return _tiles(consistency_nodes(old_size, new_size), new_size)


def consistency_proof(old_size: int, new_size: int, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    """Read the proof that the new tree begins with the old one (RFC 6962, section 2.1.2).

    `tiles` holds at least what `tiles_for_consistency` names. Raises as `inclusion_proof`.
    """
    return _proof(consistency_nodes(old_size, new_size), new_size, tiles)


def _place(node: Node, size: int) -> tuple[TileId, int]:
    """Tell where a full subtree of the tree stands: the tile, and the place in it of its first hash."""
    level, height = divmod(node.level, TILE_HEIGHT)
    first = node.index << height
    width = min(TILE_WIDTH, (size >> level * TILE_HEIGHT) - (first & -TILE_WIDTH))
    return TileId(level, first >> TILE_HEIGHT, width), first % TILE_WIDTH


def _tiles(steps: Iterable[tuple[Node, ...]], size: int) -> list[TileId]:
    return list(dict.fromkeys(_place(node, size)[0] for step in steps for node in step))


def _proof(steps: Iterable[tuple[Node, ...]], size: int, tiles: Mapping[TileId, bytes]) -> list[bytes]:
    return [fold([_hash_of(node, size, tiles) for node in step]) for step in steps]


def _hash_of(node: Node, size: int, tiles: Mapping[TileId, bytes]) -> bytes:
    tile, place = _place(node, size)
    if tile not in tiles:
        raise MalformedTileError(f"{tile_path(tile)} is missing")
    data = tile.check(tiles[tile])
    hashes = 1 << node.level % TILE_HEIGHT
    return tile_hash(data[place * HASH_BYTES : (place + hashes) * HASH_BYTES])
