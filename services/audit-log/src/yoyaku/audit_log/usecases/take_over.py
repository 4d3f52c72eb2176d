"""Take over the entries that were recorded before there was a tree: the same positions and times, now as leaves."""

from collections.abc import Sequence
from typing import Final

from yoyaku.audit_log.domain.sequence import Placed
from yoyaku.audit_log.usecases.growing_tree import GrowingTree, Growth
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.ports import Log, LogTransaction, Unproven
from yoyaku.audit_log.usecases.record_facts import new_entry

BATCH: Final = 500


class UnprovenGapError(RuntimeError):
    """A position is missing among the entries from before, so that they cannot be taken over as they were."""


class TakeOver:
    """Done at the start of a term, before anything new is recorded; goes on where a killed one stopped."""

    def __init__(self, log: Log, tree: GrowingTree, personal: Personal) -> None:
        self._log = log
        self._tree = tree
        self._personal = personal

    async def __call__(self) -> int:
        """Take over what is left, and return how many that was; 0 when all is done.

        Raises UnprovenGapError, LeadershipLostError, and the errors of yoyaku.postgres.
        """
        taken = 0
        while some := await self.some():
            taken += some
        return taken

    async def some(self, limit: int = BATCH) -> int:
        """Take over the next entries, at most `limit`, in one transaction; return how many."""
        async with self._log.transaction() as transaction:
            head = await transaction.hold_head()
            rows = await transaction.unproven(head.next_position, limit)
            if not rows:
                return 0
            if [row.position for row in rows] != list(range(head.next_position, head.next_position + len(rows))):
                raise UnprovenGapError(f"the entries from before have no position {head.next_position} or a later one")
            growth = await self._tree.at(transaction.tree, head.next_position)
            growth = await self._append(transaction, growth, rows)
        self._tree.moved(growth)
        return len(rows)

    async def _append(self, transaction: LogTransaction, growth: Growth, rows: Sequence[Unproven]) -> Growth:
        batch = await self._personal.of_batch(transaction.keys, [row.fact for row in rows], ())
        entries = [
            new_entry(Placed(row.position, row.fact, batch.own(row.fact)), row.recorded_at, growth.epoch.number, batch)
            for row in rows
        ]
        grown, tiles = growth.grown([entry.leaf_hash for entry in entries])
        await transaction.make_partitions([row.recorded_at for row in rows])
        await transaction.append(entries)
        await transaction.tree.keep_tiles(growth.epoch.number, tiles)
        return grown
