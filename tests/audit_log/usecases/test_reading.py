"""Both sources of entries as one, one entry with its proof, files, and an export that the verifier takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.domain.files import NoSuchFileError, file_of, path_of
from yoyaku.audit_log.domain.leaf import leaf_of
from yoyaku.audit_log.domain.search import Found, HotFound, Query, StoredEntry
from yoyaku.audit_log.entrypoints.commands.export_folder import ExportFolder
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.export_log import ExportLog, ExportRefusedError
from yoyaku.audit_log.usecases.prove_consistency import ProveConsistency
from yoyaku.audit_log.usecases.read_file import ReadFile
from yoyaku.audit_log.usecases.reader_ports import (
    NotFoundError,
    NothingSealed,
    PublishedEpoch,
    Read,
    Reader,
)
from yoyaku.audit_log.usecases.show_entries import ShowEntries
from yoyaku.audit_log.usecases.show_entry import ShowEntry
from yoyaku.audit_log.verify.formats import LOG_SIGNATURE, Key
from yoyaku.audit_log.verify.judge import verify
from yoyaku.audit_log.verify.proof import check
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.merkle import leaf_hash, verify_consistency
from yoyaku.tlog.tile_proofs import consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TileId

ORIGIN = "audit.yoyaku/test/1"
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
READER = Reader("person/1", "192.0.2.1")


def entry(position: int, size: int = 10) -> StoredEntry:
    return StoredEntry(position, BEGIN, 1, b"x" * size, None)


class Part:
    """A stretch of positions as one source has it."""

    def __init__(self, first: int, end: int) -> None:
        self.first, self.end = first, end

    def _found(self, query: Query, end: int) -> tuple[list[StoredEntry], bool]:
        highest = end - 1 if query.highest is None else min(query.highest, end - 1)
        wanted = list(range(max(query.lowest, self.first), highest + 1))
        if query.newest_first:
            wanted.reverse()
        return [entry(position) for position in wanted[: query.limit]], len(wanted) > query.limit


class Hot(Part):
    async def find(self, query: Query, max_bytes: int) -> HotFound:
        found, more = self._found(query, self.end)
        return HotFound(found, more, self.first, self.end)


class Sealed(Part):
    async def find(self, query: Query, below: int, max_bytes: int) -> Found:
        return Found(*self._found(query, min(self.end, below)))


@settings(max_examples=60)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 5), st.booleans(), st.integers(0, 9))
async def test_pages_over_archive_and_database_are_pages_of_one_log(
    sealed: int, hot: int, limit: int, newest_first: bool, lowest: int
) -> None:
    end = sealed + hot
    # The archive holds a month already that the database still has: nothing may be there twice.
    every: Any = EveryEntry(Hot(sealed, end), Sealed(0, min(end, sealed + 3)))  # type: ignore[arg-type]
    query, seen, more = Query(lowest=lowest, limit=limit, newest_first=newest_first), [], True
    while more:
        found = await every.find(query, 10_000)
        assert len(found.entries) <= limit
        seen += [one.position for one in found.entries]
        more = found.has_more
        if more:
            at = seen[-1]
            query = replace(query, highest=at - 1) if newest_first else replace(query, lowest=at + 1)
    expected = list(range(lowest, end))
    assert seen == (expected[::-1] if newest_first else expected)


@dataclass
class Log:
    """A whole log in memory, with everything that the use cases ask for."""

    count: int
    fact: Any
    big: frozenset[int] = frozenset()
    reads: list[Read] = field(default_factory=list)

    def __post_init__(self) -> None:
        written = [
            leaf_of(
                self.fact(number, body=b"\xff" * 70_000 if number in self.big else b'{"a":1}'),
                number,
                BEGIN + timedelta(seconds=number),
            )
            for number in range(self.count)
        ]
        self.all_leaves = [one.leaf for one in written]
        self.bodies = {sha256(one.beside).digest(): one.beside for one in written if one.beside is not None}
        self.key = SigningKey(ORIGIN, bytes(32))
        self.tree = TileTree()
        self.full = dict(self.tree.append([leaf_hash(leaf) for leaf in self.all_leaves]))

    def note_at(self, size: int) -> str:
        tree = TileTree()
        tree.append([leaf_hash(leaf) for leaf in self.all_leaves[:size]])
        return Checkpoint(ORIGIN, size, tree.root()).sign([self.key]).encode().decode()

    # Published
    async def epoch(self, number: int | None) -> PublishedEpoch | None:
        return PublishedEpoch(1, ORIGIN, 0, self.count, self.note_at(self.count)) if number in {None, 1} else None

    async def kept_checkpoint(self, epoch: int, size: int) -> str | None:
        return self.note_at(size) if size in {1, self.count} else None

    async def kept_checkpoints(self, epoch: int) -> Sequence[tuple[int, datetime]]:
        return [(1, BEGIN), (self.count, BEGIN + timedelta(hours=2))]

    # Tiles
    async def tile(self, epoch: int, tile: TileId) -> bytes:
        if TileId(tile.level, tile.index) in self.full:
            return self.full[TileId(tile.level, tile.index)][: tile.size_bytes]
        return self.tree.partial(tile.level)[: tile.size_bytes]

    async def inclusion_proof(self, epoch: int, index: int, size: int) -> list[bytes]:
        tiles = {tile: await self.tile(1, tile) for tile in tiles_for_inclusion(index, size)}
        return inclusion_proof(index, size, tiles)

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        tiles = {tile: await self.tile(1, tile) for tile in tiles_for_consistency(old_size, new_size)}
        return consistency_proof(old_size, new_size, tiles)

    # HotEntries
    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        return self.all_leaves[first_position : first_position + count]

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        return StoredEntry(position, BEGIN, 1, self.all_leaves[position], None) if position < self.count else None

    async def position_of(self, event_id: str) -> int | None:
        return int(event_id[2:]) if event_id.startswith("e-") else None

    async def body(self, digest: bytes) -> bytes | None:
        return self.bodies.get(digest)

    # Reads
    async def record(self, read: Read) -> None:
        self.reads.append(read)

    async def opener(self, references: object) -> Any:
        return lambda _: None

    def file_reader(self) -> ReadFile:
        every = EveryEntry(self, NothingSealed())  # type: ignore[arg-type]
        return ReadFile(every, self, self, self)  # type: ignore[arg-type]


@pytest.mark.requirement("AU-02", "AU-03")
async def test_an_entry_comes_with_a_proof_that_the_offline_checker_takes(fact: Any) -> None:
    log: Any = Log(300, fact)
    show = ShowEntry(EveryEntry(log, NothingSealed()), ShowEntries(log), log, log, log)
    for wanted in ({"position": 257, "event_id": None}, {"position": None, "event_id": "e-257"}):
        shown = await show(READER, **wanted)
        assert shown.proof is not None
        proven = check(shown.proof.encode(), keys=[Key.parse(log.key.vkey, LOG_SIGNATURE)])
        assert (proven.index, proven.leaf) == (257, log.all_leaves[257])
    assert [(read.kind, read.subject, list(read.positions)) for read in log.reads] == [("show", "entry/257", [257])] * 2
    for nowhere in ({"position": 300, "event_id": None}, {"position": None, "event_id": "x"}):
        with pytest.raises(NotFoundError):
            await show(READER, **nowhere)


@pytest.mark.requirement("AU-02")
async def test_a_size_is_proven_to_extend_another(fact: Any) -> None:
    log: Any = Log(300, fact)
    prove = ProveConsistency(log, log)
    _, hashes = await prove(None, 257, 300)
    old, new = (Checkpoint.parse(log.note_at(size).partition("\n\n")[0] + "\n") for size in (257, 300))
    verify_consistency(257, 300, old.root, new.root, hashes)
    with pytest.raises(NotFoundError):
        await prove(None, 1, 301)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "..", "../checkpoint", "tile/0/../../x", "tile/0/000/", "tile//000", "checkpoint/", "/checkpoint"),
        *("checkpoints/", "checkpoints/01", "checkpoints/-1", "checkpoints/x", "checkpoints/99999999999999999999"),
        *("bodies/", "bodies/" + "A" * 64, "bodies/" + "a" * 63, "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256"),
        *("tile/entries/000.p/257", "tile/0/x000/000", "tile/0/00\u0660", "checkpoint\n", "tile/0/000\x00", "a" * 200),
    ],
)
def test_only_the_files_of_the_layout_have_paths(path: str) -> None:
    with pytest.raises(NoSuchFileError):
        file_of(path)


async def test_files_are_whole_in_parts_marked_and_their_reading_is_recorded(fact: Any) -> None:
    log = Log(300, fact, big=frozenset({7}))
    read = log.file_reader()

    async def whole(path: str, **more: Any) -> tuple[bytes, bool]:
        content = b""
        while True:
            part = await read(READER, path, epoch=None, offset=len(content), max_bytes=4000)
            content += part.content
            if len(content) >= part.size_bytes:
                return content, part.is_immutable

    assert await whole("checkpoint") == (log.note_at(300).encode(), False)
    assert await whole("checkpoints/1") == (log.note_at(1).encode(), False)
    assert (await whole("tile/0/000"))[0] == b"".join(map(leaf_hash, log.all_leaves[:256]))
    assert log.reads == []
    bundle, is_immutable = await whole("tile/entries/001.p/44")
    assert bundle.startswith(len(log.all_leaves[256]).to_bytes(2, "big") + log.all_leaves[256])
    assert is_immutable
    assert [log.reads[0].kind, log.reads[0].positions] == ["entries_file", range(256, 300)]
    assert (await whole("bodies/" + next(iter(log.bodies)).hex()))[0] == next(iter(log.bodies.values()))
    for missing in ("tile/entries/001.p/45", "tile/entries/001", "tile/0/001", "tile/2/000.p/1", "checkpoints/5"):
        with pytest.raises(NoSuchFileError):
            await whole(missing)


class Counting:
    """The log's files, counted as they are read."""

    def __init__(self, log: Log, *, fails_after: int = 10**9) -> None:
        self._read = log.file_reader()
        self.paths: list[str] = []
        self._fails_after = fails_after

    async def read(self, path: str) -> bytes:
        self.paths.append(path)
        if len(self.paths) > self._fails_after:
            raise OSError("the disk is full")
        return (await self._read(READER, path, epoch=None, offset=0, max_bytes=10**9)).content


@pytest.mark.requirement("AU-03")
async def test_an_export_is_verified_goes_on_where_it_broke_off_and_grows(fact: Any, tmp_path: Path) -> None:
    log, folder = Log(600, fact, big=frozenset({7, 599})), tmp_path / "export"
    with pytest.raises(OSError, match="full"):
        await ExportLog(Counting(log, fails_after=4), ExportFolder(folder))(log.note_at(600))
    assert not (folder / "checkpoint").exists()
    rest = Counting(log)
    done = await ExportLog(rest, ExportFolder(folder))(log.note_at(600))
    assert (done.kept, done.written, done.bodies, done.gone) == (4, 3, 1, 0)
    key = Key.parse(log.key.vkey, LOG_SIGNATURE)
    report = verify(folder, keys=[key])
    assert report.is_whole, list(report.lines())
    assert report.entries == 600

    more = Log(700, fact, big=frozenset({7, 599}))
    again = Counting(more)
    await ExportLog(again, ExportFolder(folder))(more.note_at(700))
    grown = {"tile/0/002.p/188", "tile/entries/002.p/188", "checkpoints/index", "checkpoints/1", "checkpoints/700"}
    assert grown <= set(again.paths) <= {*grown, "tile/1/000.p/2"}
    assert "tile/0/000" not in again.paths
    assert not (folder / "tile/0/002.p/88").exists()
    assert verify(folder, keys=[key]).is_whole

    with pytest.raises(ExportRefusedError, match="cut off"):
        await ExportLog(Counting(log), ExportFolder(folder))(log.note_at(600))
    other = tmp_path / "other"
    other.mkdir()
    (other / "diary.txt").write_text("x")
    with pytest.raises(ExportRefusedError, match=r"diary\.txt"):
        await ExportLog(Counting(log), ExportFolder(other))(log.note_at(600))
    (folder / ".yoyaku-export").write_text("audit.yoyaku/other/1\n")
    with pytest.raises(ExportRefusedError, match=r"yoyaku/other/1"):
        await ExportLog(Counting(more), ExportFolder(folder))(more.note_at(700))


def test_every_path_is_the_name_of_its_file() -> None:
    for path in ("checkpoint", "checkpoints/0", "checkpoints/index", "tile/entries/x001/234.p/7", "bodies/" + "0" * 64):
        assert path_of(file_of(path)) == path
