"""Read entries of sealed months from the archive: by position, and by what they are found by.

Invariant: nothing is returned whose object has not the digest that the manifest records, whose digest the database
records; damage is an error that names the object, never other data. What is deleted is not there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

from yoyaku.audit_log.domain.archive import Manifest, StoredFile, body_name, bundle_in
from yoyaku.audit_log.domain.segment import EpochSpan, Segment
from yoyaku.audit_log.usecases.archive_ports import (
    Archive,
    ArchiveCache,
    ArchiveDamagedError,
    IndexedPlace,
    IndexFiles,
    SealedQuery,
    UnreadableIndexError,
)
from yoyaku.audit_log.usecases.read_archive import read_checked, read_manifest
from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.tiles import TILE_WIDTH, BundleId, decode_bundle, entries_path

_REMEMBERED_MANIFESTS: Final = 32
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class SealedLeaf:
    """An entry of the archive."""

    position: int
    epoch: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class FoundLeaf:
    """An entry that a search found."""

    place: IndexedPlace
    epoch: int
    leaf: bytes


class SealedPlaces(Protocol):
    """What the database knows of sealed entries."""

    async def segments(self) -> Sequence[Segment]:
        """Return all segments in order of position."""

    async def epochs(self) -> Sequence[EpochSpan]:
        """Return all epochs in order."""

    async def segment_of_body(self, digest: bytes) -> tuple[int, str] | None:
        """Return epoch and origin of a segment, not deleted, that refers to a body."""


class PositionsAmong(Protocol):
    """A condition that only the database can tell: who came from an address, what is under an event id."""

    async def __call__(self, first_position: int, end_position: int) -> frozenset[int]:
        """Return the positions of a range that meet it."""


class ReadSealed:
    """The archive, for readers. For any number of tasks at once."""

    def __init__(self, places: SealedPlaces, archive: Archive, cache: ArchiveCache, index_files: IndexFiles) -> None:
        self._places = places
        self._archive = archive
        self._cache = cache
        self._index_files = index_files
        self._manifests: OrderedDict[bytes, Manifest] = OrderedDict()

    async def leaves(self, first_position: int, count: int) -> list[SealedLeaf]:
        """Return the entries of a range, in order, up to the first that is not sealed; deleted ones end it too.

        Raises ArchiveDamagedError, ArchiveUnavailableError, and the errors of yoyaku.postgres.
        """
        found: list[SealedLeaf] = []
        position, end = first_position, first_position + count
        segments, origins = await self._readable()
        for segment in segments:
            if segment.first_position <= position < min(end, segment.end_position):
                last = min(end, segment.end_position)
                found += await self._leaves_of(segment, origins[segment.epoch], range(position, last))
                position = last
        return found

    async def find(
        self, query: SealedQuery, max_bytes: int, among: Sequence[PositionsAmong] = ()
    ) -> tuple[list[FoundLeaf], bool]:
        """Return up to `query.limit` entries whose leaves hold `max_bytes` together, and whether there may be more.

        One entry always fits. Raises as `leaves`.
        """
        found: list[FoundLeaf] = []
        size_bytes = 0
        segments, origins = await self._readable()
        for segment in reversed(segments) if query.newest_first else segments:
            if not _may_hold(segment, query):
                continue
            rest = replace(query, limit=query.limit + 1 - len(found))
            places = await self._places_in(segment, origins[segment.epoch], rest, among)
            positions = [place.position for place in places]
            leaves = await self._leaves_of(segment, origins[segment.epoch], positions)
            for place, leaf in zip(places, leaves, strict=True):
                size_bytes += len(leaf.leaf)
                if len(found) == query.limit or (found and size_bytes > max_bytes):
                    return found, True
                found.append(FoundLeaf(place, segment.epoch, leaf.leaf))
        return found, False

    async def body(self, digest: bytes) -> bytes | None:
        """Return a body that stood beside its leaf; none when it is not, or no longer, in the archive."""
        place = await self._places.segment_of_body(digest)
        if place is None:
            return None
        return await read_checked(self._archive, place[1], StoredFile(body_name(digest), digest, 0))

    async def _readable(self) -> tuple[list[Segment], dict[int, EpochSpan]]:
        segments = [segment for segment in await self._places.segments() if segment.deleted_at is None]
        return segments, {epoch.epoch: epoch for epoch in await self._places.epochs()}

    async def _places_in(
        self, segment: Segment, epoch: EpochSpan, query: SealedQuery, among: Sequence[PositionsAmong]
    ) -> list[IndexedPlace]:
        manifest = await self._manifest(segment, epoch)
        found: list[IndexedPlace] = []
        for part in reversed(manifest.index) if query.newest_first else manifest.index:
            end = part.first_position + part.entry_count
            if end <= query.lowest or (query.highest is not None and part.first_position > query.highest):
                continue
            rest = replace(query, limit=query.limit - len(found))
            if among:
                sets = [await condition(part.first_position, end) for condition in among]
                rest = replace(rest, positions=frozenset.intersection(*sets))
                if not rest.positions:
                    continue
            found += await self._find_in(epoch, part.file, rest)
            if len(found) >= query.limit:
                break
        return found

    async def _find_in(self, epoch: EpochSpan, file: StoredFile, query: SealedQuery) -> list[IndexedPlace]:
        path = await self._cache.path_of(epoch.origin, file)
        try:
            return await self._index_files.find(path, query)
        except UnreadableIndexError as error:
            if not path.exists():  # it had to make room for another in the meantime
                return await self._index_files.find(await self._cache.path_of(epoch.origin, file), query)
            detail = f"it cannot be read: {error}"
            raise ArchiveDamagedError(f"{epoch.origin}/{file.name}", file.sha256, file.sha256, detail) from error

    async def _leaves_of(self, segment: Segment, epoch: EpochSpan, positions: Sequence[int]) -> list[SealedLeaf]:
        if not positions:
            return []
        manifest = await self._manifest(segment, epoch)
        files = {file.name: file for file in manifest.files}

        def bundle_of(position: int) -> BundleId:
            return bundle_in(position - epoch.first_position, manifest.end_size)

        wanted = list(dict.fromkeys(bundle_of(position) for position in positions))
        for at in range(0, len(wanted), _AT_ONCE):
            batch = [_named(files, bundle, epoch) for bundle in wanted[at : at + _AT_ONCE]]
            await asyncio.gather(*(self._cache.path_of(epoch.origin, file) for file in batch))
        found = []
        for bundle, group in groupby(positions, bundle_of):
            file = _named(files, bundle, epoch)
            data = await self._read(epoch, file)
            try:
                leaves = decode_bundle(data, bundle.width)
            except MalformedTileError as error:
                name = f"{epoch.origin}/{file.name}"
                raise ArchiveDamagedError(name, file.sha256, sha256(data).digest(), str(error)) from error
            begin = epoch.first_position + bundle.index * TILE_WIDTH
            found += [SealedLeaf(position, segment.epoch, leaves[position - begin]) for position in group]
        return found

    async def _read(self, epoch: EpochSpan, file: StoredFile) -> bytes:
        path: Path = await self._cache.path_of(epoch.origin, file)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:  # it had to make room for another in the meantime
            return await read_checked(self._archive, epoch.origin, file)
        if sha256(data).digest() != file.sha256:  # somebody changed the local copy
            return await read_checked(self._archive, epoch.origin, file)
        return data

    async def _manifest(self, segment: Segment, epoch: EpochSpan) -> Manifest:
        digest = segment.manifest_sha256
        if digest not in self._manifests:
            self._manifests[digest] = await read_manifest(self._archive, epoch.origin, segment.month, digest)
            while len(self._manifests) > _REMEMBERED_MANIFESTS:
                self._manifests.popitem(last=False)
        self._manifests.move_to_end(digest)
        return self._manifests[digest]


def _may_hold(segment: Segment, query: SealedQuery) -> bool:
    if segment.end_position <= query.lowest or (query.highest is not None and segment.first_position > query.highest):
        return False
    return _begins_before(segment.month.begins_at, query.recorded_before) and (
        query.recorded_from is None or segment.month.ends_at > query.recorded_from
    )


def _begins_before(moment: datetime, end: datetime | None) -> bool:
    return end is None or moment < end


def _named(files: dict[str, StoredFile], bundle: BundleId, epoch: EpochSpan) -> StoredFile:
    path = entries_path(bundle)
    if path not in files:
        nothing = sha256(b"").digest()
        raise ArchiveDamagedError(f"{epoch.origin}/{path}", nothing, nothing, "the manifest does not name it")
    return files[path]
