"""Read one file of the log's layout: exactly the bytes that an export writes.

Invariant: what no checkpoint covers is not there yet; what shows the contents of entries is recorded first (AU-07). A
bundle of which entries are missing has those that are left, so that verifying it names the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.audit_log.domain.files import (
    Body,
    CheckpointIndex,
    KeptCheckpoint,
    NewestCheckpoint,
    NoSuchFileError,
    file_of,
)
from yoyaku.audit_log.domain.leaf import text_of
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.prove_consistency import ReadCheckpoint
from yoyaku.audit_log.usecases.reader_ports import Published, PublishedEpoch, Read, Reader, Reads, Tiles
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.tlog.tiles import TILE_WIDTH, BundleId, TileId, encode_bundle


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some bytes of a file."""

    content: bytes
    size_bytes: int
    """Of the whole file."""
    is_immutable: bool


class ReadFile:
    """Serves the layout; any replica does."""

    def __init__(self, entries: EveryEntry, reads: Reads, published: Published, tiles: Tiles) -> None:
        self._entries = entries
        self._reads = reads
        self._published = published
        self._checkpoint = ReadCheckpoint(published)
        self._tiles = tiles

    async def __call__(self, reader: Reader, path: str, *, epoch: int | None, offset: int, max_bytes: int) -> FilePart:
        """Return up to `max_bytes` from `offset` on. Raises NoSuchFileError, NotFoundError, ReadNotRecordedError."""
        file = file_of(path)
        is_immutable = not isinstance(file, NewestCheckpoint | KeptCheckpoint | CheckpointIndex)
        published = await self._checkpoint(epoch)
        match file:
            case NewestCheckpoint():
                content = published.note.encode()
            case KeptCheckpoint(size):
                kept = await self._published.kept_checkpoint(published.epoch, size)
                if kept is None:
                    raise NoSuchFileError(f"no checkpoint of size {size} is kept in epoch {published.epoch}")
                content = kept.encode()
            case CheckpointIndex():
                every = await self._published.kept_checkpoints(published.epoch)
                content = "".join(f"{size} {text_of(at)}\n" for size, at in every).encode()
            case TileId():
                _require_covered(path, published, (file.index * TILE_WIDTH + file.width) << 8 * file.level)
                try:
                    content = await self._tiles.tile(published.epoch, file)
                except IncompleteTreeError as missing:
                    raise NoSuchFileError(str(missing)) from None
            case BundleId():
                leaves = await self._bundle(reader, path, published, file)
                content, is_immutable = encode_bundle(leaves), len(leaves) == file.width
            case Body(sha256):
                found = await self._entries.body(bytes.fromhex(sha256))
                if found is None:
                    raise NoSuchFileError(f"no entry has a body beside it with the SHA-256 {sha256}")
                await self._reads.record(_read(reader, path))
                content = found
        return FilePart(content[offset : offset + max_bytes], len(content), is_immutable)

    async def _bundle(self, reader: Reader, path: str, published: PublishedEpoch, bundle: BundleId) -> Sequence[bytes]:
        begin = bundle.index * TILE_WIDTH
        _require_covered(path, published, begin + bundle.width)
        first = published.first_position + begin
        leaves = await self._entries.leaves(first, bundle.width)
        if not leaves:
            raise NoSuchFileError(f"{path}: none of its entries are still kept")
        await self._reads.record(_read(reader, path, range(first, first + bundle.width)))
        return leaves


def _require_covered(path: str, published: PublishedEpoch, end: int) -> None:
    if end > published.size:
        raise NoSuchFileError(
            f"{path} reaches beyond the newest checkpoint of epoch {published.epoch}, whose size is {published.size}"
        )


def _read(reader: Reader, path: str, positions: range = range(0)) -> Read:
    return Read(reader.name, "entries_file", "entries", {"path": path}, positions, reader.client_address)
