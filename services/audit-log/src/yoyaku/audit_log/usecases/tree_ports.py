"""What the use cases need to know and keep of epochs and their trees, inside of one transaction of the sequencer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from yoyaku.audit_log.domain.checkpoint import CheckpointState, SignedCheckpoint
from yoyaku.audit_log.domain.new_entry import Epoch
from yoyaku.tlog.tile_tree import TileTree
from yoyaku.tlog.tiles import TileId


class TreeRows(Protocol):
    """Epochs and tiles in the database."""

    async def newest_epoch(self) -> Epoch | None:
        """Return the epoch that entries go into; None before the first."""

    async def open_epoch(self, epoch: Epoch) -> None:
        """Begin a new tree: entries from `epoch.first_position` on go into it. The head must be held.

        Afterwards the term's GrowingTree is told by `reload`, so that it goes on with the new epoch.
        """

    async def load_tree(self, epoch: Epoch, size: int) -> TileTree:
        """Rebuild the tree of an epoch at a size from its tiles and the hashes of its last entries.

        Raises MalformedTileError when rows that it needs are not there.
        """

    async def keep_tiles(self, epoch: int, tiles: Sequence[tuple[TileId, bytes]]) -> None:
        """Keep tiles that became full."""

    async def checkpoint_state(self, epoch: int) -> tuple[CheckpointState, datetime]:
        """Return what is published of an epoch, and the database's time."""

    async def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Put it in place of the epoch's newest checkpoint; the database refuses one that goes back."""

    async def keep(self, checkpoint: SignedCheckpoint) -> None:
        """Keep it for ever, and tell `audit.checkpoint.signed.v1`; one of that size is not kept before."""
