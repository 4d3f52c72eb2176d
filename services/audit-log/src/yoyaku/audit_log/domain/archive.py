"""What a segment is in the archive: names of objects, and the manifest that lists them with their digests.

Names are below the epoch's origin, in the layout of C2SP tlog-tiles, so that the archive of an epoch is a log that a
tlog-tiles client reads as it stands. Objects are written once; what could have other bytes when made again (index,
manifest) has its digest in its name.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Self

from yoyaku.audit_log.domain.month import MalformedMonthError, Month
from yoyaku.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, BundleId, TileId

INDEX_ENTRIES: Final = 32_768
"""Entries in one part of a segment's search index: about 15 MB, so that a part fits in memory and a cache."""

_VERSION: Final = 1


class MalformedManifestError(ValueError):
    """The bytes of a manifest are not one."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One object of the archive. `name` is below the origin."""

    name: str
    sha256: bytes
    size_bytes: int

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """Describe an object by its bytes."""
        return cls(name, sha256(data).digest(), len(data))


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One part of the search index, over `entry_count` positions from `first_position` on."""

    file: StoredFile
    first_position: int
    entry_count: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a segment wrote, and how the checkpoint beside it vouches for it.

    `begin_size` and `end_size` are sizes of the epoch's tree before and after the segment. `consistency` proves that
    the tree of `checkpoint_size` begins with that of `end_size`, whose root is `root`.
    """

    origin: str
    epoch: int
    month: Month
    first_position: int
    begin_size: int
    end_size: int
    root: bytes
    checkpoint_size: int
    consistency: tuple[bytes, ...]
    files: tuple[StoredFile, ...]
    index: tuple[IndexPart, ...] = field(default=())

    @property
    def entry_count(self) -> int:
        """How many entries the segment holds."""
        return self.end_size - self.begin_size

    def every_file(self) -> Iterator[StoredFile]:
        """Give the files and the parts of the index."""
        yield from self.files
        for part in self.index:
            yield part.file

    def encode(self) -> bytes:
        """Write it: the same manifest, the same bytes."""
        members: dict[str, Any] = {
            "v": _VERSION,
            "origin": self.origin,
            "epoch": self.epoch,
            "month": str(self.month),
            "first_position": self.first_position,
            "begin_size": self.begin_size,
            "end_size": self.end_size,
            "root": _base64(self.root),
            "checkpoint_size": self.checkpoint_size,
            "consistency": [_base64(one) for one in self.consistency],
            "files": [_file_members(one) for one in self.files],
            "index": [
                _file_members(one.file) | {"first_position": one.first_position, "entry_count": one.entry_count}
                for one in self.index
            ],
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote. Raises MalformedManifestError."""
        try:
            members = json.loads(data)
            if members["v"] != _VERSION:
                raise MalformedManifestError(f"a manifest of version {members['v']!r} is not known here")
            return cls(
                origin=str(members["origin"]),
                epoch=int(members["epoch"]),
                month=Month.parse(members["month"]),
                first_position=int(members["first_position"]),
                begin_size=int(members["begin_size"]),
                end_size=int(members["end_size"]),
                root=base64.b64decode(members["root"], validate=True),
                checkpoint_size=int(members["checkpoint_size"]),
                consistency=tuple(base64.b64decode(one, validate=True) for one in members["consistency"]),
                files=tuple(_file(one) for one in members["files"]),
                index=tuple(
                    IndexPart(_file(one), int(one["first_position"]), int(one["entry_count"]))
                    for one in members["index"]
                ),
            )
        except MalformedManifestError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, MalformedMonthError) as error:
            raise MalformedManifestError(f"not a manifest of a segment: {type(error).__name__}") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _file_members(file: StoredFile) -> dict[str, Any]:
    return {"name": file.name, "sha256": file.sha256.hex(), "size_bytes": file.size_bytes}


def _file(members: dict[str, Any]) -> StoredFile:
    return StoredFile(str(members["name"]), bytes.fromhex(members["sha256"]), int(members["size_bytes"]))


def segment_folder(month: Month) -> str:
    """Name the folder of what belongs to a month alone: manifest and index."""
    return f"segments/{month}/"


def manifest_name(month: Month, digest: bytes) -> str:
    """Name a manifest."""
    return f"{segment_folder(month)}manifest-{digest.hex()}.json"


def index_name(month: Month, digest: bytes) -> str:
    """Name a part of an index."""
    return f"{segment_folder(month)}index-{digest.hex()}.sqlite"


def checkpoint_name(size: int) -> str:
    """Name the checkpoint that vouches for a segment."""
    return f"checkpoints/{size}"


def body_name(digest: bytes) -> str:
    """Name a body that stands beside its leaf."""
    return f"bodies/{digest.hex()}"


def new_bundles(begin_size: int, end_size: int) -> Iterator[BundleId]:
    """Name the entry bundles that a tree of one size has and one of a smaller size has not, from the left.

    A bundle that the smaller tree had partially comes again, wider, under its own name. The last entry of each is one
    of the new entries.
    """
    if begin_size < end_size:
        for index in range(begin_size // TILE_WIDTH, end_size // TILE_WIDTH):
            yield BundleId(index)
        if end_size % TILE_WIDTH:
            yield BundleId(end_size // TILE_WIDTH, end_size % TILE_WIDTH)


def new_tiles(begin_size: int, end_size: int) -> Iterator[TileId]:
    """Name the hash tiles that a tree of one size has and one of a smaller size has not, level by level from below."""
    level = 0
    while begin_size < end_size:
        for bundle in new_bundles(begin_size, end_size):
            yield TileId(level, bundle.index, bundle.width)
        level, begin_size, end_size = level + 1, begin_size >> TILE_HEIGHT, end_size >> TILE_HEIGHT


def bundle_in(leaf_index: int, end_size: int) -> BundleId:
    """Name the widest bundle, of a tree of a size, that holds a leaf."""
    index = leaf_index // TILE_WIDTH
    return BundleId(index, min(TILE_WIDTH, end_size - index * TILE_WIDTH))
