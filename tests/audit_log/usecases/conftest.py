"""A log and an archive in memory, for sealing: real trees, real index files, and a crash wherever a test wants one."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pytest

from yoyaku.audit_log.adapters.index_files import SqliteIndexFiles
from yoyaku.audit_log.adapters.object_store.cache import FolderCache
from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import EpochSpan, HotMonth, KeptCheckpoint, Segment, sealed_end
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, IndexedEntry, ObjectMissingError
from yoyaku.audit_log.usecases.delete_segments import DeleteSegments
from yoyaku.audit_log.usecases.read_sealed import ReadSealed
from yoyaku.audit_log.usecases.seal_months import SealMonths
from yoyaku.audit_log.usecases.sealing_ports import DeletedSegment, HotEntry, MonthNotSealedError
from yoyaku.audit_log.usecases.verify_segment import VerifySegment
from yoyaku.audit_log.usecases.write_segment import WriteSegment
from yoyaku.testkit.faults import Faults
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.tile_proofs import consistency_proof, tiles_for_consistency
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TILE_WIDTH

ORIGIN = "audit.yoyaku/test/1"
KEY = SigningKey(ORIGIN, bytes(32))
EPOCH = EpochSpan(1, ORIGIN, 0)
RETENTION_YEARS = 7


class MemoryArchive:
    """Objects by name, written once."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put_once(self, name: str, data: bytes) -> None:
        found = self.objects.setdefault(name, data)
        if found != data:
            raise ArchiveDamagedError(name, sha256(data).digest(), sha256(found).digest(), "other bytes")

    async def read(self, name: str) -> bytes:
        if name not in self.objects:
            raise ObjectMissingError(name)
        return self.objects[name]

    async def delete(self, name: str) -> None:
        self.objects.pop(name, None)

    async def names(self, prefix: str, *, after: str = "") -> AsyncIterator[str]:
        for name in sorted(self.objects):
            if name.startswith(prefix) and name > after:
                yield name


@dataclass
class MemoryLog:
    """One epoch: its entries, what is sealed of them, what was told, and the tree. Every part of the ports."""

    every_leaf: list[bytes] = field(default_factory=list)
    hot: list[HotEntry] = field(default_factory=list)
    head: datetime = field(default_factory=lambda: Month(2026, 1).begins_at)
    sealed: list[Segment] = field(default_factory=list)
    edge: dict[int, bytes] = field(default_factory=dict)
    dropped: set[Month] = field(default_factory=set)
    made: set[Month] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    expunged: set[Month] = field(default_factory=set)
    kept: list[KeptCheckpoint] = field(default_factory=list)
    beside: dict[int, bytes] = field(default_factory=dict)
    fact_position: int | None = None
    body_rows: set[tuple[bytes, Month]] = field(default_factory=set)

    def record(self, moment: datetime, count: int, *, beside: bytes | None = None) -> None:
        """Append entries."""
        self.head = moment
        self.made.add(Month.of(moment))
        for _ in range(count):
            position = len(self.every_leaf)
            leaf = f'{{"position":{position}}}'.encode()
            indexed = IndexedEntry(
                position, moment, moment - timedelta(seconds=1), "booking.room.created.v1", f"person/{position % 3}",
                f"room/{position % 5}", f"c-{position // 2}", f"e-{position}", "refused" if position % 7 == 0 else None,
            )  # fmt: skip
            self.hot.append(HotEntry(indexed, leaf, leaf_hash(leaf)))
            self.every_leaf.append(leaf)
            if beside is not None:
                self.beside[position] = beside

    def keep_checkpoint(self) -> KeptCheckpoint:
        """Sign the newest tree, with a cosignature."""
        size, root = len(self.every_leaf), self.whole_tree().root()
        note = Checkpoint(ORIGIN, size, root).sign([KEY]).encode().decode()
        self.kept.append(KeptCheckpoint(1, size, root, note, is_cosigned=True))
        return self.kept[-1]

    def whole_tree(self, size: int | None = None) -> TileTree:
        return _tree_of(tuple(self.every_leaf[:size])).copy()

    async def tree(self, epoch: int, size: int) -> TileTree:
        # What the database could not rebuild fails here as well: the right edge needs hot entries or the sealed edge.
        known = {entry.indexed.position for entry in self.hot} | set(self.edge)
        assert set(range(size - size % TILE_WIDTH, size)) <= known or not self._whole_at(size)
        return self.whole_tree(size)

    def _whole_at(self, size: int) -> bool:
        return (size // TILE_WIDTH + 1) * TILE_WIDTH > len(self.every_leaf)

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        tree = TileTree()
        made = dict(tree.append([leaf_hash(leaf) for leaf in self.every_leaf[:new_size]])) | tree.partials()
        return consistency_proof(
            old_size, new_size, {one: made[one] for one in tiles_for_consistency(old_size, new_size)}
        )

    async def head_time(self) -> datetime:
        return self.head

    async def epochs(self) -> Sequence[EpochSpan]:
        return [EPOCH]

    async def partitions(self) -> Sequence[Month]:
        return sorted(self.made - self.dropped)

    async def hot_months(self, months: Sequence[Month]) -> Sequence[HotMonth]:
        found = []
        for month in months:
            here = [one.indexed.position for one in self.hot if Month.of(one.indexed.recorded_at) == month]
            if here:
                found.append(HotMonth(month, 1, min(here), len(here), max(here)))
        return found

    async def segments(self) -> Sequence[Segment]:
        return list(self.sealed)

    async def checkpoints_covering(self, epoch: int, size: int) -> Sequence[KeptCheckpoint]:
        return [one for one in self.kept if one.size >= size]

    async def entries(self, first_position: int, end_position: int) -> Sequence[HotEntry]:
        return [one for one in self.hot if first_position <= one.indexed.position < end_position]

    async def bodies(self, first_position: int, end_position: int) -> AsyncIterator[tuple[bytes, bytes]]:
        seen = {body for position, body in self.beside.items() if first_position <= position < end_position}
        for body in sorted(seen):
            yield sha256(body).digest(), body

    async def deleted(self) -> Sequence[DeletedSegment]:
        return [
            DeletedSegment(one, f"deleted {one.month}", self.fact_position)
            for one in self.sealed
            if one.deleted_at is not None and one.month not in self.expunged
        ]

    async def only_bodies_of(self, segment: Segment) -> Sequence[bytes]:
        alive = {one.month for one in self.sealed if one.deleted_at is None}
        mine = {digest for digest, month in self.body_rows if month == segment.month}
        return sorted(mine - {digest for digest, month in self.body_rows if month in alive})

    async def segment_of_body(self, digest: bytes) -> tuple[int, str] | None:
        alive = {one.month for one in self.sealed if one.deleted_at is None}
        return (1, ORIGIN) if any(one == digest and month in alive for one, month in self.body_rows) else None

    async def record_sealed(self, segment: Segment, edge: Mapping[int, bytes], body_digests: Sequence[bytes]) -> bool:
        if any(one.month == segment.month for one in self.sealed):
            return False
        assert segment.first_position == sealed_end(self.sealed)
        self.sealed.append(segment)
        self.edge.update(edge)
        self.body_rows |= {(digest, segment.month) for digest in body_digests}
        self.told.append(f"sealed {segment.month}")
        return True

    async def record_deleted(self, segment: Segment, deleted_at: datetime) -> bool:
        at = next(index for index, one in enumerate(self.sealed) if one.month == segment.month)
        if self.sealed[at].deleted_at is not None:
            return False
        self.sealed[at] = replace(segment, deleted_at=deleted_at)
        self.told.append(f"deleted {segment.month}")
        return True

    async def record_expunged(self, segment: Segment, expunged_at: datetime) -> None:
        self.expunged.add(segment.month)

    async def drop(self, month: Month) -> bool:
        if month in self.dropped:
            return False
        mine = [one for one in self.hot if Month.of(one.indexed.recorded_at) == month]
        if any(one.indexed.position >= sealed_end(self.sealed) for one in mine):
            raise MonthNotSealedError(str(month))
        self.dropped.add(month)
        self.hot = [one for one in self.hot if one not in mine]
        return True

    async def expire_clients(self, segment: Segment) -> int:
        return 0


@lru_cache(maxsize=32)
def _tree_of(leaves: tuple[bytes, ...]) -> TileTree:
    tree = TileTree()
    tree.append([leaf_hash(leaf) for leaf in leaves])
    return tree


@dataclass
class SealingWorld:
    """Everything that sealing touches; `runs` puts the use cases together as the wiring does."""

    log: MemoryLog
    archive: MemoryArchive
    folder: Path
    copies: int = 0

    def use_cases(self, faults: Faults | None = None) -> tuple[SealMonths, DeleteSegments]:
        faults = faults or Faults()
        log, archive = faults.wrap(self.log), faults.wrap(self.archive)
        index_files = SqliteIndexFiles()
        cache = FolderCache(archive, self.folder, 10_000_000)
        seal = SealMonths(
            reads=log,
            writes=log,
            dropper=log,
            trees=self.log,
            write=WriteSegment(log, self.log, archive, index_files),
            verify=VerifySegment(self.log, archive, cache, index_files),
            needs_cosignature=True,
            now=lambda: self.log.head,
        )
        delete = DeleteSegments(
            log,
            log,
            log,
            archive,
            retention_years=RETENTION_YEARS,
            needs_cosignature=True,
            now=lambda: self.log.head,
        )
        return seal, delete

    def copy(self) -> "SealingWorld":
        """Give a world like this one, with an empty cache."""
        self.copies += 1
        log = replace(self.log, **{one.name: copy(getattr(self.log, one.name)) for one in fields(self.log)})
        archive = MemoryArchive()
        archive.objects = dict(self.archive.objects)
        return SealingWorld(log, archive, self.folder / f"copy-{self.copies}")

    def reader(self, folder: Path | None = None) -> ReadSealed:
        cache = FolderCache(self.archive, folder or self.folder, 10_000_000)
        return ReadSealed(self.log, self.archive, cache, SqliteIndexFiles())


@pytest.fixture
def sealing_world(tmp_path: Path) -> Callable[[], SealingWorld]:
    """`sealing_world()` makes an empty one, with a cache folder of its own."""
    made: list[SealingWorld] = []

    def make() -> SealingWorld:
        made.append(SealingWorld(MemoryLog(), MemoryArchive(), tmp_path / f"cache-{len(made)}"))
        return made[-1]

    return make
