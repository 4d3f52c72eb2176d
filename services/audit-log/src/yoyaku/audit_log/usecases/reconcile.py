"""Compare the log with what is known of it outside, and begin a new tree where both cannot be true (AU-02)."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from yoyaku.audit_log.domain.epoch_numbers import last_plausible, next_number
from yoyaku.audit_log.domain.epochs import (
    Contradiction,
    Divergence,
    KnownCheckpoint,
    Stated,
    contradiction,
    sizes_to_compare,
)
from yoyaku.audit_log.domain.new_entry import Epoch, origin_of
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.tlog.merkle import EMPTY_ROOT
from yoyaku.tlog.tiles import TILE_HEIGHT

EPOCHS_WITHOUT_A_CHECKPOINT: Final = 1
"""Epochs in a row that may have been opened without anybody having cosigned them, and still be followed by others."""

NO_TREE: Final = -1
"""The size that is named for an epoch that the database does not have."""


class SourceAwayError(Exception):
    """A source of known checkpoints cannot be asked just now; the message says why."""


class CheckpointSource(Protocol):
    """Somebody outside of the database who keeps checkpoints of this log."""

    @property
    def name(self) -> str:
        """Who that is, for people."""

    @property
    def is_awaited(self) -> bool:
        """Whether nothing may be signed before it was asked."""

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        """Return the newest checkpoint of an origin, verified; none when it knows none. Raises SourceAwayError.

        `size` is that of the database's tree, -1 when it has none of this origin: checkpoints up to it may be left out.
        """


@dataclass(frozen=True, slots=True)
class Abandoned:
    """What the database still holds of a tree that does not go on."""

    size: int
    root: bytes


class HeldLog(Protocol):
    """The end of the log in one transaction: nobody appends until it ends."""

    @property
    def epoch(self) -> Epoch:
        """The newest epoch."""

    @property
    def size(self) -> int:
        """How many entries it has."""

    async def root(self, size: int) -> bytes:
        """Compute the root of its tree at a size up to `size`. Raises IncompleteTreeError when rows are gone."""

    async def stated(self) -> Stated:
        """Return what the database says of its epochs beside the newest row."""

    async def open_epoch(self, why: Contradiction, origin: str, abandoned: Abandoned) -> Epoch:
        """Begin the tree `why.next_epoch`, record what is abandoned as its first entry, and tell a violation."""


class Epochs(Protocol):
    """The log's trees. Written while leading only."""

    async def newest(self) -> tuple[Epoch, int]:
        """Return the newest epoch, and how many entries it has."""

    async def numbers(self) -> frozenset[int]:
        """Return every number of an epoch that stands anywhere in the database."""

    def held(self) -> AbstractAsyncContextManager[HeldLog]:
        """Hold the end of the log; what was done is committed when the block ends without an exception."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What came of a comparison."""

    opened: Epoch | None
    why: Contradiction | None
    away: tuple[str, ...]
    """Sources that could not be asked, with the reason."""
    may_sign: bool
    """Whether every source that has to be asked before was."""


@dataclass(frozen=True, slots=True)
class _Asked:
    known: Sequence[KnownCheckpoint]
    away: tuple[str, ...]
    may_sign: bool


class Reconcile:
    """Asks every source once; each term of a leader begins with it."""

    def __init__(self, epochs: Epochs, sources: Sequence[CheckpointSource], environment: str) -> None:
        self._epochs = epochs
        self._sources = sources
        self._environment = environment

    async def __call__(self) -> Reconciliation:
        """Compare, and open a new epoch if need be.

        Sources that are away are named, and nothing is concluded from their silence. What is abandoned is the largest
        tree that can be read. Raises LeadershipLostError, and the errors of yoyaku.postgres.
        """
        asked = await self._asked()
        opened, why = await self._compared(asked.known)
        return Reconciliation(opened, why, asked.away, asked.may_sign)

    async def begin_anew(self) -> Reconciliation:
        """Begin a new tree because the present one cannot be read: rows that it is made of are gone.

        What is abandoned is the largest tree that still can be. Raises as the comparison does.
        """
        asked = await self._asked()
        async with self._epochs.held() as log:
            newest = max(asked.known, key=lambda one: (one.epoch, one.size), default=None)
            stored = {log.epoch.number, *(await log.stated()).numbers}
            number = next_number(stored, [one.epoch for one in asked.known])
            why = Contradiction(Divergence.DAMAGED, newest, number)
            abandoned = await _readable(log)
            opened = await log.open_epoch(why, origin_of(self._environment, number), abandoned)
        return Reconciliation(opened, why, asked.away, asked.may_sign)

    async def _asked(self) -> _Asked:
        newest, size = await self._epochs.newest()
        number = min(newest.number, max(1, last_plausible(await self._epochs.numbers())))
        if newest.origin != origin_of(self._environment, number):
            size = NO_TREE
        known: list[KnownCheckpoint] = []
        away: list[str] = []
        may_sign = True
        for source in self._sources:
            try:
                known += await self._known_to(source, number, size)
            except SourceAwayError as error:
                away.append(f"{source.name}: {error}")
                may_sign = may_sign and not source.is_awaited
        return _Asked(known, tuple(away), may_sign)

    async def _known_to(self, source: CheckpointSource, number: int, size: int) -> list[KnownCheckpoint]:
        """Ask for this epoch and those after it, which the database may have lost; one may never have been cosigned."""
        found, unknown = [], 0
        while unknown <= EPOCHS_WITHOUT_A_CHECKPOINT:
            checkpoint = await source.newest(origin_of(self._environment, number), size)
            unknown = unknown + 1 if checkpoint is None else 0
            found += [] if checkpoint is None else [checkpoint]
            number, size = number + 1, NO_TREE
        return found

    async def _compared(self, known: Sequence[KnownCheckpoint]) -> tuple[Epoch | None, Contradiction | None]:
        async with self._epochs.held() as log:
            epoch, size = log.epoch, log.size
            roots = {at: await _root_or_nothing(log, at) for at in sizes_to_compare(epoch, size, known)}
            why = contradiction(epoch, size, roots, known, self._environment, stated=await log.stated())
            if why is None:
                return None, None
            opened = await log.open_epoch(why, origin_of(self._environment, why.next_epoch), await _readable(log))
        return opened, why


async def _root_or_nothing(log: HeldLog, size: int) -> bytes:
    try:
        return await log.root(size)
    except IncompleteTreeError:
        return b""


async def _readable(log: HeldLog) -> Abandoned:
    """Find the largest tree that can be read: whole tiles of the lowest level that is not damaged."""
    sizes = [
        log.size,
        *(log.size >> shift << shift for shift in range(TILE_HEIGHT, log.size.bit_length(), TILE_HEIGHT)),
    ]
    for size in sizes:
        if root := await _root_or_nothing(log, size):
            return Abandoned(size, root)
    return Abandoned(0, EMPTY_ROOT)
