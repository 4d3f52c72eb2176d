"""Begin a leader's term: the log is made ready before anything is recorded."""

from yoyaku.audit_log.domain.new_entry import Epoch, origin_of
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.ports import Log

FIRST_EPOCH = 1


class BeginTerm:
    """See that there is an epoch, and load its tree."""

    def __init__(self, log: Log, tree: GrowingTree, environment: str) -> None:
        self._log = log
        self._tree = tree
        self._environment = environment

    async def __call__(self) -> None:
        """Open the first epoch where there is none, and load the tree of the newest.

        Raises LeadershipLostError, MalformedTileError, DamagedLogError, and the errors of yoyaku.postgres.
        """
        async with self._log.transaction() as transaction:
            head = await transaction.hold_head()
            if await transaction.tree.newest_epoch() is None:
                first = Epoch(FIRST_EPOCH, origin_of(self._environment, FIRST_EPOCH), 0, head.recorded_at)
                await transaction.tree.open_epoch(first)
            await transaction.see_clear(head)
            growth = await self._tree.at(transaction.tree, head.next_position)
        self._tree.moved(growth)
