"""Verify the stored log against itself, its tree, and every checkpoint that somebody signed.

What is looked at, in this order: each entry against its row, the tree's tiles and the entry in front of it; each tile
against the one above; every kept checkpoint and those known elsewhere against the tree.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from yoyaku.audit_log.domain.inspection import Finding, FindingKind, Inspector, StoredRow, beyond_the_end
from yoyaku.audit_log.usecases.trees import IncompleteTreeError, Trees
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.tiles import TILE_WIDTH, TileId, hash_at, tile_hash, tile_path


class KeysUnknownError(Exception):
    """The keys that checkpoints are judged by cannot be read just now, so nothing can be said; the message says why."""


MOST_FINDINGS = 1000
"""Of one inspection: whoever rewrote a million entries is found out by the first thousand."""


class Scope(StrEnum):
    """How much is looked at."""

    ROLLING = "rolling"
    """What was recorded since a moment."""
    WHOLE = "whole"
    """Everything that the database holds."""


@dataclass(frozen=True, slots=True)
class EpochRange:
    """One epoch: its entries stand at `first_position` to `end_position` (excluded).

    Those from `held_from` on are held by the database; the ones before are in the archive or over.
    """

    epoch: int
    origin: str
    first_position: int
    end_position: int
    held_from: int


@dataclass(frozen=True, slots=True)
class Vouched:
    """A root that somebody signed for the first `size` entries of an epoch; the signature was verified."""

    epoch: int
    size: int
    root: bytes
    where: str
    """Who keeps it, for people: `the log`, `the witness`, ..."""


class StoredLog(Protocol):
    """The log as it is stored, row by row."""

    async def epochs(self) -> Sequence[EpochRange]:
        """Return every epoch, the oldest first; the newest ends at the head."""

    async def first_recorded_since(self, moment: datetime) -> int | None:
        """Return the lowest held position that was recorded at a moment or later."""

    async def rows(self, first: int, end: int) -> Sequence[StoredRow]:
        """Return the rows at positions from `first` to `end` (excluded), in order of position."""

    async def rows_from(self, first: int, limit: int) -> Sequence[StoredRow]:
        """Return up to `limit` rows at `first` and beyond, in order of position."""

    async def tile(self, epoch: int, level: int, tile_index: int) -> bytes | None:
        """Return the 256 hashes of a full tile; None when there is none."""


class Checkpoints(Protocol):
    """Signed checkpoints from one keeper."""

    async def all_of(self, epoch: EpochRange) -> Sequence[Vouched | Finding]:
        """Return them by size; one whose signature is not right is a finding. Empty while the keeper is away."""


@dataclass(slots=True)
class Inspection:
    """What was looked at, and what is wrong."""

    scope: Scope
    first_position: int = 0
    entry_count: int = 0
    checkpoint_count: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings, as many as are kept of one inspection."""
        for finding in findings:
            if len(self.findings) < MOST_FINDINGS:
                self.findings.append(finding)


class InspectLog:
    """Verifies; changes nothing."""

    def __init__(self, log: StoredLog, trees: Trees, keepers: Sequence[Checkpoints]) -> None:
        self._log = log
        self._trees = trees
        self._keepers = keepers

    async def __call__(self, scope: Scope, since: datetime | None = None) -> Inspection:
        """Look at everything, or at what was recorded since a moment (aware).

        Raises KeysUnknownError, and the errors of yoyaku.postgres.

        An honest log gives no finding, also while entries are recorded meanwhile.
        """
        inspection = Inspection(scope)
        epochs = await self._log.epochs()
        end = epochs[-1].end_position if epochs else 0
        found = await self._log.first_recorded_since(since) if since is not None else 0
        inspection.first_position = begin = end if found is None else min(found, end)
        for epoch in epochs:
            vouched = await self._vouched(epoch, inspection)
            if epoch.end_position > begin:
                await self._entries(epoch, begin, inspection)
            if epoch is epochs[-1] or scope is Scope.WHOLE:
                await self._checkpoints(epoch, vouched, inspection)
        if epochs:
            now = (await self._log.epochs())[-1].end_position
            inspection.add(beyond_the_end(await self._log.rows_from(now, TILE_WIDTH), max(now, end)))
        return inspection

    async def _vouched(self, epoch: EpochRange, inspection: Inspection) -> list[Vouched]:
        vouched = []
        for keeper in self._keepers:
            for one in await keeper.all_of(epoch):
                if isinstance(one, Finding):
                    inspection.add([one])
                else:
                    vouched.append(one)
        inspection.checkpoint_count += len(vouched)
        return sorted(vouched, key=lambda one: one.size)

    async def _entries(self, epoch: EpochRange, begin: int, inspection: Inspection) -> None:
        first = max(begin, epoch.held_from)
        first -= (first - epoch.first_position) % TILE_WIDTH
        first = max(first, epoch.held_from)
        inspector = Inspector(first)
        async for start, end in _bundles(epoch, first):
            rows = await self._log.rows(start, end)
            index = (start - epoch.first_position) // TILE_WIDTH
            whole = await self._log.tile(epoch.epoch, 0, index)
            offset = (start - epoch.first_position) % TILE_WIDTH
            hashes = [whole[at * 32 : at * 32 + 32] for at in range(offset, TILE_WIDTH)] if whole is not None else None
            inspection.add(inspector.walk(rows, end, hashes))
            inspection.entry_count += end - start
            if whole is not None:
                await self._parents(epoch, index, whole, inspection)

    async def _parents(self, epoch: EpochRange, index: int, tile: bytes, inspection: Inspection) -> None:
        """Compare a full tile with what the full tile above holds of it, and so on while that one ends with it.

        What stands right of the full tiles is made from below for every root, and compared with the signed ones.
        """
        level = 0
        while True:
            above = await self._log.tile(epoch.epoch, level + 1, index // TILE_WIDTH)
            if above is None:
                return
            held, made = hash_at(above, index % TILE_WIDTH), tile_hash(tile)
            if held != made:
                place = epoch.first_position + index * TILE_WIDTH ** (level + 1)
                told = f"tile {tile_path(TileId(level, index))} is not the one that the tile above it holds"
                inspection.add([Finding(FindingKind.TILE_REWRITTEN, place, told, held, made)])
            if index % TILE_WIDTH != TILE_WIDTH - 1:
                return
            level, index, tile = level + 1, index // TILE_WIDTH, above

    async def _checkpoints(self, epoch: EpochRange, vouched: Sequence[Vouched], inspection: Inspection) -> None:
        """Compare every signed root with the tree; the first that does not fit bounds what was rewritten.

        The log may have grown since this began, and what it grew by may be signed: how long it is now is read again.
        That a tree of the past ended too early was told when the next one began, whose first entry says it.
        """
        now = await self._log.epochs()
        size = next(one.end_position for one in now if one.epoch == epoch.epoch) - epoch.first_position
        is_over = now[-1].epoch != epoch.epoch
        good = 0
        for one in vouched:
            if one.size > size and is_over:
                return
            if one.size > size:
                told = f"{one.where} has a checkpoint of {one.size} entries, the log holds {size}"
                place = epoch.first_position + good
                inspection.add([Finding(FindingKind.LOG_TRUNCATED, place, told, one.root)])
                return
            try:
                root = await self._trees.root(epoch.epoch, one.size)
            except (TlogError, IncompleteTreeError) as wrong:
                place = epoch.first_position + good
                told = f"the tree of {one.size} entries cannot be computed: {wrong}"
                inspection.add([Finding(FindingKind.TILE_REWRITTEN, place, told, one.root)])
                return
            if root != one.root:
                place, last = epoch.first_position + good, epoch.first_position + one.size - 1
                told = (
                    f"{one.where} has another root for {one.size} entries than the log: "
                    f"entries {place} to {last} may have been rewritten"
                )
                inspection.add([Finding(FindingKind.CHECKPOINT_FORKED, place, told, one.root, root)])
                return
            good = one.size


async def _bundles(epoch: EpochRange, first: int) -> AsyncIterator[tuple[int, int]]:
    start = first
    while start < epoch.end_position:
        index = start - epoch.first_position
        end = min(epoch.first_position + index - index % TILE_WIDTH + TILE_WIDTH, epoch.end_position)
        yield start, end
        start = end
