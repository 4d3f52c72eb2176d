"""The tree of the newest epoch, as far as it is committed; one object for each term of a leader.

Invariant: what `committed` gives out is the tree over a whole beginning of the committed entries of its epoch. It moves
only after a commit; a transaction that was rolled back, or of which nobody knows whether it committed, never moves it:
the next transaction compares it with the head that it holds, and loads the tree anew where they differ.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.audit_log.domain.new_entry import Epoch
from yoyaku.audit_log.usecases.tree_ports import TreeRows
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TileId


class NoEpochError(RuntimeError):
    """Entries cannot be appended before the first epoch was opened."""


@dataclass(frozen=True, slots=True)
class Growth:
    """An epoch and its tree at one size; never changes."""

    epoch: Epoch
    tree: TileTree

    @property
    def next_position(self) -> int:
        """The position of the entry that would be the next leaf."""
        return self.epoch.first_position + self.tree.size

    def grown(self, leaf_hashes: Sequence[bytes]) -> tuple["Growth", list[tuple[TileId, bytes]]]:
        """Give the tree with more leaves, and the tiles that became full with them."""
        tree = self.tree.copy()
        tiles = tree.append(leaf_hashes)
        return Growth(self.epoch, tree), tiles


class GrowingTree:
    """What a leader remembers of the tree between its transactions."""

    def __init__(self) -> None:
        self._committed: Growth | None = None
        self._moved = asyncio.Event()

    @property
    def committed(self) -> Growth | None:
        """The tree after the last commit that this process knows of; None at the beginning of a term."""
        return self._committed

    async def at(self, rows: TreeRows, next_position: int) -> Growth:
        """Return the tree up to the head, which the caller's transaction holds; load it where need be.

        Raises NoEpochError, MalformedTileError, and the errors of yoyaku.postgres.
        """
        known = self._committed
        if known is not None and known.next_position == next_position:
            return known
        epoch = await rows.newest_epoch()
        if epoch is None:
            raise NoEpochError("no epoch of the audit log is open")
        return Growth(epoch, await rows.load_tree(epoch, next_position - epoch.first_position))

    def moved(self, growth: Growth) -> None:
        """Remember a tree; called after the commit of the transaction that made or loaded it."""
        self._committed = growth
        self._moved.set()

    async def next_move(self) -> None:
        """Wait until the tree has moved since this was last waited for; for one who waits."""
        await self._moved.wait()
        self._moved.clear()

    def reload(self) -> None:
        """Forget the tree, so that the next transaction loads it: after an epoch was opened, or nobody knows."""
        self._committed = None
