"""The tree and its checkpoints over restarts, rollbacks and commits of which nobody knows."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.adapters.personal_keys import SealingKeyring
from yoyaku.audit_log.domain.checkpoint import CheckpointState, SignedCheckpoint, is_keeping_due
from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.audit_log.domain.new_entry import Epoch, NewEntry
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree, Growth, NoEpochError
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.ports import Head
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.sign_checkpoint import SignCheckpoint, TreeContradictsCheckpointError
from yoyaku.testkit.rfc6962 import merkle_tree_hash
from yoyaku.tlog.checkpoint import open_checkpoint
from yoyaku.tlog.keys import SigningKey
from yoyaku.tlog.tile_tree import TileTree, tiles_for_rebuild
from yoyaku.tlog.tiles import TILE_WIDTH, TileId

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)
SEEDS = (b"\x01" * 32, b"\x02" * 32)


NOTHING_PERSONAL = Personal(lambda _: frozenset(), lambda _: bytes(16))


class CutOffError(Exception):
    """The connection was lost."""


@dataclass
class Rows:
    """What is committed."""

    entries: list[NewEntry] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    tiles: dict[tuple[int, TileId], bytes] = field(default_factory=dict)
    latest: dict[int, SignedCheckpoint] = field(default_factory=dict)
    kept: list[SignedCheckpoint] = field(default_factory=list)
    now: datetime = NOON

    def copy(self) -> "Rows":
        return Rows(
            list(self.entries), list(self.epochs), dict(self.tiles), dict(self.latest), list(self.kept), self.now
        )


class Transaction:
    """The rows of one transaction, of the log and of its tree."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.tree = self.keys = self

    async def keyring(self, new: Collection[str], known: Collection[str]) -> Any:
        return SealingKeyring({}, bytes)

    async def hold_head(self) -> Head:
        return Head(len(self.rows.entries), self.rows.now)

    async def see_clear(self, head: Head) -> None:
        assert head.next_position == len(self.rows.entries)

    async def recorded_under(self, facts: Sequence[Fact]) -> Sequence[Any]:
        return ()

    async def append(self, entries: Sequence[NewEntry]) -> None:
        assert [entry.position for entry in entries] == list(
            range(len(self.rows.entries), len(self.rows.entries) + len(entries))
        )
        self.rows.entries += entries

    async def newest_epoch(self) -> Epoch | None:
        return self.rows.epochs[-1] if self.rows.epochs else None

    async def open_epoch(self, epoch: Epoch) -> None:
        self.rows.epochs.append(epoch)

    async def load_tree(self, epoch: Epoch, size: int) -> TileTree:
        hashes = [entry.leaf_hash for entry in self.rows.entries[epoch.first_position :][:size]]
        tiles = {tile: self.rows.tiles[epoch.number, tile] for tile in tiles_for_rebuild(size)}
        return TileTree.rebuild(size, hashes[size - size % TILE_WIDTH :], tiles)

    async def keep_tiles(self, epoch: int, tiles: Sequence[tuple[TileId, bytes]]) -> None:
        for tile, hashes in tiles:
            assert (epoch, tile) not in self.rows.tiles
            self.rows.tiles[epoch, tile] = hashes

    async def checkpoint_state(self, epoch: int) -> tuple[CheckpointState, datetime]:
        latest = self.rows.latest.get(epoch)
        kept = [one for one in self.rows.kept if one.epoch == epoch]
        state = CheckpointState(
            latest.size if latest else -1,
            latest.root if latest else None,
            kept[-1].size if kept else -1,
            kept[-1].signed_at if kept else None,
        )
        return state, self.rows.now

    async def publish(self, checkpoint: SignedCheckpoint) -> None:
        self.rows.latest[checkpoint.epoch] = checkpoint

    async def keep(self, checkpoint: SignedCheckpoint) -> None:
        assert checkpoint.size not in [one.size for one in self.rows.kept if one.epoch == checkpoint.epoch]
        self.rows.kept.append(checkpoint)


class CommittedLog:
    """A log in memory whose next commit may fail, or succeed without anyone being told."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.fate = "commits"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        transaction = Transaction(self.rows.copy())
        fate, self.fate = self.fate, "commits"
        yield transaction
        if fate != "is rolled back":
            self.rows = transaction.rows
        if fate != "commits":
            raise CutOffError

    def root(self, epoch: int, size: int) -> bytes:
        first = self.rows.epochs[epoch - 1].first_position
        return merkle_tree_hash([entry.written.leaf for entry in self.rows.entries[first : first + size]])


def facts(numbers: Iterator[int], count: int) -> list[Fact]:
    return [
        readable_fact(
            source="/booking/07", number=number, event_id=f"e-{number}", type="t", occurred_at=NOON, actor="a",
            subject="s", correlation_id="c", causation_id=None, client_address=None, dataschema="d", traceparent=None,
            body=b"{}", headers={}, origin=Origin("BOOKING", number + 1),
        )
        for number, _ in zip(numbers, range(count), strict=False)
    ]  # fmt: skip


def keys_of(origin: str) -> Sequence[SigningKey]:
    return [SigningKey(origin, seed) for seed in SEEDS]


@dataclass
class Process:
    """One leader's term: what it remembers, and what it has published."""

    log: CommittedLog
    tree: GrowingTree = field(default_factory=GrowingTree)

    def __post_init__(self) -> None:
        self.begin = BeginTerm(self.log, self.tree, "test")
        self.record = RecordFacts(self.log, self.tree, NOTHING_PERSONAL)
        self.sign = SignCheckpoint(self.log, self.tree, keys_of, TEN_MINUTES)


steps = st.lists(
    st.tuples(
        st.sampled_from(["record", "record", "sign", "restart", "epoch"]),
        st.integers(1, 300),
        st.sampled_from(["commits", "commits", "is rolled back", "commits unheard"]),
    ),
    max_size=14,
)


@given(steps)
@settings(max_examples=40, deadline=None)
@pytest.mark.requirement("AU-01", "AU-02")
async def test_every_checkpoint_is_the_root_of_the_committed_leaves(steps: list[tuple[str, int, str]]) -> None:
    log = CommittedLog()
    process, numbers, published = Process(log), iter(range(10**6)), list[SignedCheckpoint]()
    await process.begin()
    for step, count, fate in steps:
        try:
            if step == "restart":
                process = Process(log)
                await process.begin()
                continue
            log.fate = fate
            if step == "record":
                await process.record(facts(numbers, count))
            elif step == "sign":
                await process.sign(keep=count % 2 == 0)
            else:
                await open_next_epoch(process)
        except CutOffError:
            pass
        published += log.rows.latest.values()
    log.fate = "commits"
    await process.record(facts(numbers, 1))
    last = await process.sign()
    assert last is not None
    assert last.size == len(log.rows.entries) - log.rows.epochs[-1].first_position
    for one in {(one.epoch, one.size, one.root): one for one in [*published, *log.rows.kept, last]}.values():
        assert one.root == log.root(one.epoch, one.size)


async def open_next_epoch(process: Process) -> None:
    """Do as one who opens epochs does."""
    try:
        async with process.log.transaction() as transaction:
            head = await transaction.hold_head()
            old = await transaction.tree.newest_epoch()
            epoch = replace(old, number=old.number + 1, origin=f"o/{old.number + 1}", first_position=head.next_position)
            await transaction.tree.open_epoch(epoch)
    except CutOffError:
        process.tree.reload()
        raise
    process.tree.moved(Growth(epoch, TileTree()))


@pytest.mark.requirement("AU-02")
async def test_a_checkpoint_is_a_note_that_every_key_signed() -> None:
    process, numbers = Process(CommittedLog()), iter(range(10))
    await process.begin()
    await process.record(facts(numbers, 3))
    signed = await process.sign()
    assert signed is not None
    opened = open_checkpoint(
        signed.note, origin="audit.yoyaku/test/1", log_keys=[key.verifier for key in keys_of("audit.yoyaku/test/1")]
    )
    assert (opened.checkpoint.size, opened.checkpoint.root) == (3, process.log.root(1, 3))
    assert len(opened.signatures) == len(SEEDS)
    assert await process.sign() is None


@pytest.mark.requirement("AU-02")
async def test_one_checkpoint_in_ten_minutes_of_activity_is_kept_and_those_asked_for() -> None:
    process, numbers = Process(CommittedLog()), iter(range(100))
    await process.begin()
    kept = process.log.rows.kept
    for minute in range(25):
        process.log.rows.now = NOON + timedelta(minutes=minute)
        if minute < 12:
            await process.record(facts(numbers, 1))
        await process.sign()
    await process.sign(keep=True)
    kept = process.log.rows.kept
    assert [(one.size, one.signed_at - NOON) for one in kept] == [
        (1, timedelta(0)), (11, timedelta(minutes=10)), (12, timedelta(minutes=20)),
    ]  # fmt: skip
    await process.record(facts(numbers, 1))
    await process.sign(keep=True)
    assert process.log.rows.kept[-1].size == 13


@pytest.mark.parametrize("damage", ["an entry was changed", "the last entry is gone"])
@pytest.mark.requirement("AU-02")
async def test_nothing_is_signed_that_contradicts_what_was_published(damage: str) -> None:
    log, numbers = CommittedLog(), iter(range(100))
    before = Process(log)
    await before.begin()
    await before.record(facts(numbers, 5))
    await before.sign()
    if damage == "an entry was changed":
        log.rows.entries[2] = replace(log.rows.entries[2], leaf_hash=b"x" * 32)
    else:
        log.rows.entries.pop()
    after = Process(log)
    await after.begin()
    for _ in range(2):
        with pytest.raises(TreeContradictsCheckpointError):
            await after.sign(keep=True)
    assert log.rows.latest[1].size == 5


async def test_nothing_is_recorded_before_an_epoch_is_open() -> None:
    with pytest.raises(NoEpochError):
        await Process(CommittedLog()).record(facts(iter(range(1)), 1))


def test_a_kept_checkpoint_needs_something_new() -> None:
    state = CheckpointState(5, b"", 5, NOON)
    later = NOON + timedelta(days=1)
    assert not is_keeping_due(state, 5, later, TEN_MINUTES)
    assert is_keeping_due(state, 6, later, TEN_MINUTES)
    assert not is_keeping_due(state, 6, NOON + timedelta(minutes=9), TEN_MINUTES)
    assert not is_keeping_due(CheckpointState(-1, None, -1, None), 0, NOON, TEN_MINUTES)
