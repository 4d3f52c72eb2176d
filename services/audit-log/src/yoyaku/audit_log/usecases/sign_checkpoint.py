"""Sign a checkpoint of what is committed, in a transaction that only a leader can commit.

Invariant: there are never two roots for one size of an epoch. A tree is a function of committed entries, which never
change; only committed trees are signed; and what is signed is published in the same database under the same fence, so
that a process that no longer leads publishes nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from yoyaku.audit_log.domain.checkpoint import CheckpointState, SignedCheckpoint, is_keeping_due
from yoyaku.audit_log.usecases.growing_tree import GrowingTree, Growth
from yoyaku.audit_log.usecases.ports import Log
from yoyaku.audit_log.usecases.tree_ports import TreeRows
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey

KeysOf = Callable[[str], Sequence[SigningKey]]
"""The log's keys under the name of an origin, at least one; all of them sign."""


class TreeContradictsCheckpointError(Exception):
    """The entries in the database are not those that a published checkpoint vouches for: nothing more is signed."""

    def __init__(self, epoch: int, signed_size: int, found: str) -> None:
        super().__init__(f"the checkpoint of size {signed_size} of epoch {epoch} is published, but {found}")
        self.epoch = epoch
        self.signed_size = signed_size


class SignCheckpoint:
    """Signs what the term's tree holds; one object for each term."""

    def __init__(self, log: Log, tree: GrowingTree, keys_of: KeysOf, keep_every: timedelta) -> None:
        self._log = log
        self._tree = tree
        self._keys_of = keys_of
        self._keep_every = keep_every
        self._compared_epoch: int | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, *, keep: bool = False) -> SignedCheckpoint | None:
        """Sign and publish the tree, when it has grown; keep the checkpoint for ever when that is due, or asked for.

        Returns what was published or kept now, None when there was nothing to do. Raises LeadershipLostError,
        TreeContradictsCheckpointError, and the errors of yoyaku.postgres.
        """
        async with self._one_at_a_time:
            return await self._sign(keep=keep)

    async def _sign(self, *, keep: bool) -> SignedCheckpoint | None:
        async with self._log.transaction() as transaction:
            growth = self._tree.committed
            if growth is None:
                return None
            state, now = await transaction.tree.checkpoint_state(growth.epoch.number)
            size = growth.tree.size
            await self._compare(transaction.tree, growth, state)
            keeping = size > state.kept_size and (keep or is_keeping_due(state, size, now, self._keep_every))
            if size == state.latest_size and not keeping:
                return None
            root = growth.tree.root()
            note = Checkpoint(growth.epoch.origin, size, root).sign(self._keys_of(growth.epoch.origin))
            checkpoint = SignedCheckpoint(
                growth.epoch.number, growth.epoch.origin, size, root, note.encode().decode(), now
            )
            await transaction.tree.publish(checkpoint)
            if keeping:
                await transaction.tree.keep(checkpoint)
        return checkpoint

    async def _compare(self, rows: TreeRows, growth: Growth, state: CheckpointState) -> None:
        """See that the tree extends what was published in an earlier term; within a term it only grows."""
        epoch, size = growth.epoch, growth.tree.size
        if state.latest_size > size:
            raise TreeContradictsCheckpointError(epoch.number, state.latest_size, f"there are {size} entries only")
        if self._compared_epoch == epoch.number:
            return
        if state.latest_root is not None:
            same = growth.tree if state.latest_size == size else await rows.load_tree(epoch, state.latest_size)
            root = same.root()
            if root != state.latest_root:
                found = f"its root is {state.latest_root.hex()}, that of the entries {root.hex()}"
                raise TreeContradictsCheckpointError(epoch.number, state.latest_size, found)
        self._compared_epoch = epoch.number
