"""Read a segment back from the archive and see that it is what the database's tree and a checkpoint vouch for.

Nothing that was in memory while it was written is used: what is verified is what a reader will find.
"""

from collections.abc import Mapping
from hashlib import sha256

from yoyaku.audit_log.domain.archive import (
    Manifest,
    StoredFile,
    checkpoint_name,
    manifest_name,
    new_bundles,
    new_tiles,
)
from yoyaku.audit_log.domain.segment import EpochSpan, HotMonth, KeptCheckpoint
from yoyaku.audit_log.usecases.archive_ports import (
    Archive,
    ArchiveCache,
    ArchiveDamagedError,
    IndexFiles,
    SealedQuery,
    UnreadableIndexError,
)
from yoyaku.audit_log.usecases.read_archive import read_checked, read_manifest
from yoyaku.audit_log.usecases.sealing_ports import EpochTrees
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedTileError, TlogError
from yoyaku.tlog.merkle import leaf_hash, verify_consistency
from yoyaku.tlog.note import parse_note
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import BundleId, decode_bundle, entries_path, tile_path

_BODIES = "bodies/"


class VerifySegment:
    """Reads one segment back, every byte of it."""

    def __init__(self, trees: EpochTrees, archive: Archive, cache: ArchiveCache, index_files: IndexFiles) -> None:
        self._trees = trees
        self._archive = archive
        self._cache = cache
        self._index_files = index_files

    async def __call__(
        self, hot: HotMonth, epoch: EpochSpan, checkpoint: KeptCheckpoint, manifest_sha256: bytes
    ) -> Manifest:
        """Return the manifest as it stands in the archive, once everything that it names has been verified.

        Raises ArchiveDamagedError for the first object that is not what it should be, ArchiveUnavailableError.
        """
        name = f"{epoch.origin}/{manifest_name(hot.month, manifest_sha256)}"

        def damaged(detail: str) -> ArchiveDamagedError:
            return ArchiveDamagedError(name, manifest_sha256, manifest_sha256, detail)

        manifest = await read_manifest(self._archive, epoch.origin, hot.month, manifest_sha256)
        begin_size = hot.first_position - epoch.first_position
        found = (manifest.origin, manifest.epoch, manifest.month, manifest.begin_size, manifest.end_size)
        if found != (epoch.origin, epoch.epoch, hot.month, begin_size, begin_size + hot.entry_count):
            raise damaged("it is the manifest of something else")
        files = {file.name: file for file in manifest.files}
        tree = await self._grown_tree(manifest, files)
        await self._verify_bodies(manifest)
        await self._verify_index(manifest)
        await self._verify_checkpoint(manifest, checkpoint)
        stored = await self._trees.tree(epoch.epoch, manifest.end_size)
        if not tree.root() == stored.root() == manifest.root:
            raise damaged("its entries make another tree than the one that the database holds")
        try:
            verify_consistency(manifest.end_size, checkpoint.size, tree.root(), checkpoint.root, manifest.consistency)
        except TlogError as error:
            raise damaged(f"the checkpoint of size {checkpoint.size} does not vouch for it: {error}") from error
        return manifest

    async def _grown_tree(self, manifest: Manifest, files: Mapping[str, StoredFile]) -> TileTree:
        """Append every entry of the archive to the tree before the month; compare every tile that this makes."""
        tree = await self._trees.tree(manifest.epoch, manifest.begin_size)
        for bundle in new_bundles(manifest.begin_size, manifest.end_size):
            file = _named(files, entries_path(bundle), manifest)
            hashes = await self._leaf_hashes(manifest, bundle, file)
            begun = len(tree.partial(0)) // 32
            if b"".join(hashes[:begun]) != tree.partial(0):
                raise _damaged(manifest, file, "its first entries are not those of the month before")
            for tile, data in tree.append(hashes[begun:]):
                await self._verify_tile(manifest, _named(files, tile_path(tile), manifest), data)
        new = set(new_tiles(manifest.begin_size, manifest.end_size))
        for tile, data in tree.partials().items():
            if tile in new:
                await self._verify_tile(manifest, _named(files, tile_path(tile), manifest), data)
        return tree

    async def _verify_tile(self, manifest: Manifest, file: StoredFile, expected: bytes) -> None:
        if await read_checked(self._archive, manifest.origin, file) != expected:
            raise _damaged(manifest, file, "it holds other hashes than those of the entries")

    async def _leaf_hashes(self, manifest: Manifest, bundle: BundleId, file: StoredFile) -> list[bytes]:
        data = await read_checked(self._archive, manifest.origin, file)
        try:
            return [leaf_hash(leaf) for leaf in decode_bundle(data, bundle.width)]
        except MalformedTileError as error:
            raise _damaged(manifest, file, str(error)) from error

    async def _verify_bodies(self, manifest: Manifest) -> None:
        for file in manifest.files:
            if file.name.startswith(_BODIES):
                data = await read_checked(self._archive, manifest.origin, file)
                if sha256(data).hexdigest() != file.name.removeprefix(_BODIES):
                    raise _damaged(manifest, file, "its name is not its digest")

    async def _verify_index(self, manifest: Manifest) -> None:
        position = manifest.first_position
        for part in manifest.index:
            await read_checked(self._archive, manifest.origin, part.file)
            path = await self._cache.path_of(manifest.origin, part.file)
            try:
                found = await self._index_files.find(path, SealedQuery(limit=part.entry_count + 1))
            except UnreadableIndexError as error:
                raise _damaged(manifest, part.file, str(error)) from error
            known = [place.position for place in found]
            if part.first_position != position or known != list(range(position, position + part.entry_count)):
                raise _damaged(manifest, part.file, "it does not know the positions that it should")
            position += part.entry_count
        if position != manifest.first_position + manifest.entry_count:
            raise _damaged(manifest, manifest.files[0], "the search index does not know every entry")

    async def _verify_checkpoint(self, manifest: Manifest, checkpoint: KeptCheckpoint) -> None:
        name = f"{manifest.origin}/{checkpoint_name(checkpoint.size)}"
        data = await self._archive.read(name)
        wanted = Checkpoint(manifest.origin, checkpoint.size, checkpoint.root)
        try:
            found = Checkpoint.parse(parse_note(data).text)
        except TlogError as error:
            raise ArchiveDamagedError(name, checkpoint.root, sha256(data).digest(), str(error)) from error
        if (found.origin, found.size, found.root) != (wanted.origin, wanted.size, wanted.root):
            raise ArchiveDamagedError(name, wanted.root, found.root, "it is another checkpoint")


def _named(files: Mapping[str, StoredFile], name: str, manifest: Manifest) -> StoredFile:
    if name not in files:
        raise ArchiveDamagedError(f"{manifest.origin}/{name}", manifest.root, manifest.root, "no manifest names it")
    return files[name]


def _damaged(manifest: Manifest, file: StoredFile, detail: str) -> ArchiveDamagedError:
    return ArchiveDamagedError(f"{manifest.origin}/{file.name}", file.sha256, file.sha256, detail)
