"""A growing tree that gives out its full tiles as they fill up, and remembers only its right edge.

Memory is at most 8 KiB a level of tiles, three levels at 16 million leaves. A leaf costs one hash on average, the root
up to 255 hashes a level, so it is asked for once a batch. Every hash is stored in one full tile at most, so who stores
what `append` gives out and can get at the last partial tile's leaves can always `rebuild`.
"""

from collections.abc import Mapping, Sequence
from typing import Self

from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.merkle import EMPTY_ROOT, check_hashes, node_hash
from yoyaku.tlog.strict import LARGEST_SIZE
from yoyaku.tlog.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, TileId, partial_tiles, tile_hash, tile_path


class TileTree:
    """The right edge of a tree: its partial tiles. Begins empty.

    Not for use from several threads. An append whose transaction fails must be undone: append to a `copy`, and keep
    that when the transaction committed.
    """

    __slots__ = ("_edge", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._edge: list[bytes] = []
        """The partial tile of each level, without hashes where the level's tiles are all full."""

    @classmethod
    def restore(cls, size: int, partials: Mapping[TileId, bytes]) -> Self:
        """Go on from a size and its partial tiles: exactly those that `partial_tiles(size)` names.

        Raises MalformedTileError when one is missing, one is too many, or a length is wrong.
        """
        if not 0 <= size <= LARGEST_SIZE:
            raise MalformedTileError(f"tree size {size} is not between 0 and {LARGEST_SIZE}")
        tree = cls()
        wanted = partial_tiles(size)
        if stray := next((tile for tile in partials if tile not in wanted), None):
            raise MalformedTileError(f"{tile_path(stray)} is no partial tile of a tree of size {size}")
        tree._size = size
        tree._edge = [b""] * (-(-size.bit_length() // TILE_HEIGHT))
        for tile in wanted:
            if tile not in partials:
                raise MalformedTileError(f"{tile_path(tile)} is missing: a tree of size {size} has it")
            tree._edge[tile.level] = bytes(tile.check(partials[tile]))
        return tree

    @classmethod
    def rebuild(cls, size: int, leaves: Sequence[bytes], full_tiles: Mapping[TileId, bytes]) -> Self:
        """Go on from what is stored for good: the hashes of the last size % 256 leaves, and full tiles.

        `full_tiles` holds at least those that `tiles_for_rebuild(size)` names; up to 255 a level. Raises
        MalformedTileError when one is missing or has a wrong length, or there is another number of leaves.
        """
        check_hashes(leaves)
        partials = {}
        for tile in partial_tiles(size):
            if tile.level == 0:
                partials[tile] = b"".join(leaves)
            else:
                partials[tile] = b"".join(_hash_of(child, full_tiles) for child in _children(tile))
        if not size % TILE_WIDTH and leaves:
            raise MalformedTileError(
                f"a tree of size {size} has no partial tile of leaves, but {len(leaves)} are given"
            )
        return cls.restore(size, partials)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def append(self, leaves: Sequence[bytes]) -> list[tuple[TileId, bytes]]:
        """Add leaves by their hashes, in order; give the tiles that became full, level by level, each from the left.

        Raises TlogError, and adds none, when one is no hash.
        """
        check_hashes(leaves)
        completed: list[tuple[TileId, bytes]] = []
        row, begin, level = b"".join(leaves), self._size, 0
        while row:
            if level == len(self._edge):
                self._edge.append(b"")
            index, row = begin >> TILE_HEIGHT, self._edge[level] + row
            whole = len(row) - len(row) % TILE_BYTES
            tiles = [row[at : at + TILE_BYTES] for at in range(0, whole, TILE_BYTES)]
            completed += [(TileId(level, index + place), tile) for place, tile in enumerate(tiles)]
            self._edge[level] = row[whole:]
            row, begin, level = b"".join(map(tile_hash, tiles)), index, level + 1
        self._size += len(leaves)
        return completed

    def root(self) -> bytes:
        """Compute the root; EMPTY_ROOT without leaves."""
        root: bytes | None = None
        for row in self._edge:
            # From the right, the full subtrees of a partial tile grow with each binary digit of its width.
            end = len(row)
            while end:
                length = end & -end
                subtree = tile_hash(row[end - length : end])
                root = subtree if root is None else node_hash(subtree, root)
                end -= length
        return EMPTY_ROOT if root is None else root

    def partial(self, level: int) -> bytes:
        """Give the partial tile of a level, empty where there is none."""
        return self._edge[level] if level < len(self._edge) else b""

    def partials(self) -> dict[TileId, bytes]:
        """Give all partial tiles, from below: what `restore` takes."""
        return {tile: self._edge[tile.level] for tile in partial_tiles(self._size)}

    def copy(self) -> "TileTree":
        """Take a copy that grows on its own, in a microsecond."""
        tree = TileTree()
        tree._size, tree._edge = self._size, list(self._edge)
        return tree


def tiles_for_rebuild(size: int) -> list[TileId]:
    """Name the full tiles that `TileTree.rebuild` needs: those whose hashes stand in partial tiles."""
    return [child for tile in partial_tiles(size) for child in _children(tile)]


def _children(tile: TileId) -> list[TileId]:
    """Name the full tiles below: one for each hash of the tile; none below level 0."""
    if tile.level == 0:
        return []
    begin = tile.index * TILE_WIDTH
    return [TileId(tile.level - 1, index) for index in range(begin, begin + tile.width)]


def _hash_of(tile: TileId, full_tiles: Mapping[TileId, bytes]) -> bytes:
    if tile not in full_tiles:
        raise MalformedTileError(f"{tile_path(tile)} is missing")
    return tile_hash(tile.check(full_tiles[tile]))
