"""Write a closed month into the archive: bundles, tiles, bodies, checkpoint, search index, and last its manifest.

Invariant: everything is written once under names that follow from the content's place, or hold its digest; doing it
again after a crash at any line finds its own objects and goes on. Memory is bounded by one part of the index.
"""

from collections.abc import Sequence
from hashlib import sha256

from yoyaku.audit_log.domain.archive import (
    INDEX_ENTRIES,
    IndexPart,
    Manifest,
    StoredFile,
    body_name,
    checkpoint_name,
    index_name,
    manifest_name,
    new_bundles,
    new_tiles,
)
from yoyaku.audit_log.domain.segment import EpochSpan, HotMonth, KeptCheckpoint, SegmentNotWholeError
from yoyaku.audit_log.usecases.archive_ports import (
    Archive,
    ArchiveDamagedError,
    IndexedEntry,
    IndexFiles,
    ObjectMissingError,
)
from yoyaku.audit_log.usecases.sealing_ports import EpochTrees, HotEntry, SealingReads
from yoyaku.audit_log.usecases.store_checkpoints import put_note_once
from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import (
    TILE_WIDTH,
    BundleId,
    TileId,
    decode_bundle,
    encode_bundle,
    entries_path,
    hash_at,
    tile_path,
)


class WriteSegment:
    """Writes one month of one epoch."""

    def __init__(self, log: SealingReads, trees: EpochTrees, archive: Archive, index_files: IndexFiles) -> None:
        self._log = log
        self._trees = trees
        self._archive = archive
        self._index_files = index_files

    async def __call__(self, hot: HotMonth, epoch: EpochSpan, checkpoint: KeptCheckpoint) -> bytes:
        """Write the month and return the SHA-256 of its manifest.

        Raises SegmentNotWholeError when what the database holds does not make the tree that its tiles say,
        ArchiveDamagedError, ArchiveUnavailableError, and the errors of `Trees` and yoyaku.postgres.
        """
        begin_size = hot.first_position - epoch.first_position
        end_size = begin_size + hot.entry_count
        tree = await self._trees.tree(epoch.epoch, begin_size)
        files: list[StoredFile] = []
        index: list[IndexPart] = []
        waiting: list[IndexedEntry] = []
        begun = await self._begun_bundle(epoch, begin_size, tree)
        for bundle in new_bundles(begin_size, end_size):
            entries = await self._entries(hot, epoch, bundle)
            files.append(await self._put(epoch, entries_path(bundle), encode_bundle([*begun, *_leaves(entries)])))
            begun = []
            for tile, data in tree.append([entry.leaf_hash for entry in entries]):
                files.append(await self._put(epoch, tile_path(tile), data))
            waiting += [entry.indexed for entry in entries]
            if len(waiting) >= INDEX_ENTRIES:
                index.append(await self._put_index(hot, epoch, waiting))
                waiting = []
        if waiting:
            index.append(await self._put_index(hot, epoch, waiting))
        for tile, data in _new_edge(tree, begin_size):
            files.append(await self._put(epoch, tile_path(tile), data))
        async for digest, content in self._log.bodies(hot.first_position, hot.last_position + 1):
            files.append(await self._put(epoch, body_name(digest), content))
        await put_note_once(self._archive, f"{epoch.origin}/{checkpoint_name(checkpoint.size)}", checkpoint.note)
        manifest = Manifest(
            origin=epoch.origin,
            epoch=epoch.epoch,
            month=hot.month,
            first_position=hot.first_position,
            begin_size=begin_size,
            end_size=end_size,
            root=tree.root(),
            checkpoint_size=checkpoint.size,
            consistency=tuple(await self._trees.consistency_proof(epoch.epoch, end_size, checkpoint.size)),
            files=tuple(files),
            index=tuple(index),
        )
        data = manifest.encode()
        digest = sha256(data).digest()
        await self._put(epoch, manifest_name(hot.month, digest), data)
        return digest

    async def _begun_bundle(self, epoch: EpochSpan, begin_size: int, tree: TileTree) -> Sequence[bytes]:
        """Read the entries of earlier months in the bundle that this month goes on with; the tree vouches for them."""
        width = begin_size % TILE_WIDTH
        if width == 0:
            return []
        name = f"{epoch.origin}/{entries_path(BundleId(begin_size // TILE_WIDTH, width))}"
        known = tree.partial(0)
        try:
            data = await self._archive.read(name)
        except ObjectMissingError as error:
            raise ArchiveDamagedError(name, known[:32], sha256(b"").digest(), "it is gone") from error
        try:
            leaves = decode_bundle(data, width)
        except MalformedTileError as error:
            raise ArchiveDamagedError(name, known[:32], sha256(data).digest(), str(error)) from error
        for place, leaf in enumerate(leaves):
            if leaf_hash(leaf) != hash_at(known, place):
                detail = f"its entry {place} is another than the one that was recorded"
                raise ArchiveDamagedError(name, hash_at(known, place), leaf_hash(leaf), detail)
        return leaves

    async def _entries(self, hot: HotMonth, epoch: EpochSpan, bundle: BundleId) -> Sequence[HotEntry]:
        begin = epoch.first_position + bundle.index * TILE_WIDTH
        first, end = max(begin, hot.first_position), begin + bundle.width
        entries = await self._log.entries(first, end)
        if [entry.indexed.position for entry in entries] != list(range(first, end)):
            raise SegmentNotWholeError(f"{hot.month} does not hold every position from {first} to {end - 1}")
        for entry in entries:
            if leaf_hash(entry.leaf) != entry.leaf_hash:
                raise SegmentNotWholeError(f"the bytes of entry {entry.indexed.position} are not those of its hash")
        return entries

    async def _put(self, epoch: EpochSpan, name: str, data: bytes) -> StoredFile:
        await self._archive.put_once(f"{epoch.origin}/{name}", data)
        return StoredFile.of(name, data)

    async def _put_index(self, hot: HotMonth, epoch: EpochSpan, entries: Sequence[IndexedEntry]) -> IndexPart:
        data = await self._index_files.write(entries)
        file = await self._put(epoch, index_name(hot.month, sha256(data).digest()), data)
        return IndexPart(file, entries[0].position, len(entries))


def _leaves(entries: Sequence[HotEntry]) -> list[bytes]:
    return [entry.leaf for entry in entries]


def _new_edge(tree: TileTree, begin_size: int) -> list[tuple[TileId, bytes]]:
    """Give the partial tiles that the smaller tree had not."""
    new = set(new_tiles(begin_size, tree.size))
    return [(tile, data) for tile, data in tree.partials().items() if tile in new]
