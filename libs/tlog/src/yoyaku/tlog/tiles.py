"""A tree cut into files: tiles of 256 hashes, entry bundles of 256 entries, and their paths. Source: C2SP tlog-tiles.

A tile at level 0 holds hashes of leaves; each hash of a tile above is the root of one full tile below. A full tile
never changes. The rightmost one of each level is partial: it holds a beginning of what the full one will hold.
`tile_tree` builds them, `tile_proofs` reads proofs from them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from yoyaku.tlog.errors import MalformedTileError, shown
from yoyaku.tlog.strict import HASH_BYTES, LARGEST_SIZE

TILE_HEIGHT: Final = 8
"""Levels of the tree in one level of tiles."""

TILE_WIDTH: Final = 1 << TILE_HEIGHT
"""Hashes in a full tile, entries in a full bundle."""

TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
"""Length of a full tile: 8,192."""

HIGHEST_LEVEL: Final = 63
LARGEST_ENTRY_BYTES: Final = 65_535
"""What a length of 16 bits can tell."""

_LENGTH_BYTES: Final = 2
_LONGEST_PATH: Final = 100
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """Which tile: `width` hashes of the tile number `index` of a level. In range, or MalformedTileError."""

    level: int
    """0 to 63."""
    index: int
    """From the left, zero-based."""
    width: int = TILE_WIDTH
    """1 to 256; below 256 the tile is partial."""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= HIGHEST_LEVEL:
            raise MalformedTileError(f"the level of a tile is between 0 and {HIGHEST_LEVEL}, not {self.level}")
        _check_place(self.index, self.width)

    @property
    def full(self) -> bool:
        """Whether it holds all that it ever will."""
        return self.width == TILE_WIDTH

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return self.width * HASH_BYTES

    def check(self, data: bytes) -> bytes:
        """Give the tile's bytes back when their length is right. Raises MalformedTileError otherwise."""
        if len(data) != self.size_bytes:
            raise MalformedTileError(f"{tile_path(self)} has {len(data)} bytes instead of {self.size_bytes}")
        return data


@dataclass(frozen=True, slots=True, order=True)
class BundleId:
    """Which entry bundle: the first `width` entries of those from index * 256 on. In range, or MalformedTileError."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= LARGEST_SIZE >> TILE_HEIGHT:
        raise MalformedTileError(f"there is no tile number {index}")
    if not 1 <= width <= TILE_WIDTH:
        raise MalformedTileError(f"the width of a tile is between 1 and {TILE_WIDTH}, not {width}")


def tile_path(tile: TileId) -> str:
    """Name the file of a tile: `tile/<L>/<N>[.p/<W>]`."""
    return f"tile/{tile.level}/{_place(tile.index, tile.width)}"


def entries_path(bundle: BundleId) -> str:
    """Name the file of an entry bundle: `tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{_place(bundle.index, bundle.width)}"


def _place(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups)) + ("" if width == TILE_WIDTH else f".p/{width}")


def parse_path(path: str) -> TileId | BundleId:
    """Read the path of a tile or bundle, relative to the log's prefix.

    Raises MalformedTileError for every other spelling, so each tile has one path only.
    """
    found = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH else None
    if found is None:
        raise MalformedTileError(f"no path of a tile or entry bundle: {shown(path)}")
    index = int(found["index"].replace("x", "").replace("/", ""))
    width = int(found["width"] or TILE_WIDTH)
    if found["width"] and width == TILE_WIDTH:
        raise MalformedTileError(f"a full tile has no width in its path: {shown(path)}")
    if not path.endswith(_place(index, width)) or found["index"].startswith("x000"):
        raise MalformedTileError(f"not the shortest path of its tile: {shown(path)}")
    return BundleId(index, width) if found["level"] == "entries" else TileId(int(found["level"]), index, width)


def tiles_of(size: int) -> Iterator[TileId]:
    """Name all tiles of a tree of a size, level by level from below, each from the left, a partial one last."""
    level, below = 0, size
    while below:
        for index in range(below >> TILE_HEIGHT):
            yield TileId(level, index)
        if below % TILE_WIDTH:
            yield TileId(level, below >> TILE_HEIGHT, below % TILE_WIDTH)
        level, below = level + 1, below >> TILE_HEIGHT


def partial_tiles(size: int) -> list[TileId]:
    """Name the partial tiles of a tree of a size, from below; a level whose tiles are all full has none."""
    found, level = [], 0
    while size:
        if size % TILE_WIDTH:
            found.append(TileId(level, size >> TILE_HEIGHT, size % TILE_WIDTH))
        level, size = level + 1, size >> TILE_HEIGHT
    return found


def bundles_of(size: int) -> Iterator[BundleId]:
    """Name all entry bundles of a tree of a size, from the left, a partial one last."""
    for index in range(size >> TILE_HEIGHT):
        yield BundleId(index)
    if size % TILE_WIDTH:
        yield BundleId(size >> TILE_HEIGHT, size % TILE_WIDTH)


def tile_hash(row: bytes) -> bytes:
    """Hash 2**k concatenated hashes, k from 0, into their root: for a full tile its hash in the tile above."""
    digest = sha256
    while len(row) > HASH_BYTES:
        row = b"".join([digest(b"\x01" + row[at : at + 64]).digest() for at in range(0, len(row), 64)])
    return row


def hash_at(data: bytes, place: int) -> bytes:
    """Take one hash of a tile."""
    return data[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Write 1 to 256 entries, each after its length in 16 bits, big-endian.

    Raises MalformedTileError for more or none, and for an entry longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY_BYTES:
            raise MalformedTileError(
                f"entry {len(parts) // 2} of the bundle has {len(entry)} bytes; at most {LARGEST_ENTRY_BYTES} fit"
            )
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    if not 1 <= len(parts) // 2 <= TILE_WIDTH:
        raise MalformedTileError(f"a bundle holds 1 to {TILE_WIDTH} entries, not {len(parts) // 2}")
    return b"".join(parts)


def decode_bundle(data: bytes, width: int = TILE_WIDTH) -> list[bytes]:
    """Read a bundle of exactly `width` entries. Raises MalformedTileError, with the entry at which it breaks off."""
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        if len(entries) == width:
            raise MalformedTileError(f"{end - at} bytes follow the {width} entries of the bundle")
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise MalformedTileError(f"the bundle breaks off in its entry {len(entries)}")
        entries.append(data[start:at])
    if len(entries) != width:
        raise MalformedTileError(f"the bundle holds {len(entries)} entries instead of {width}")
    return entries
