"""Say how the log stands, and prove that one state of it extends another."""

from yoyaku.audit_log.usecases.reader_ports import NotFoundError, Published, PublishedEpoch, Tiles


class ReadCheckpoint:
    """Returns what is signed. No entry is shown, so it is no read of the log."""

    def __init__(self, published: Published) -> None:
        self._published = published

    async def __call__(self, epoch: int | None = None) -> PublishedEpoch:
        """Return an epoch with its newest checkpoint, the newest epoch when none is named. Raises NotFoundError."""
        found = await self._published.epoch(epoch)
        if found is None:
            raise NotFoundError("no checkpoint was signed yet" if epoch is None else f"there is no epoch {epoch}")
        return found


class ProveConsistency:
    """Proves that a tree begins with an older one."""

    def __init__(self, published: Published, tiles: Tiles) -> None:
        self._checkpoint = ReadCheckpoint(published)
        self._tiles = tiles

    async def __call__(self, epoch: int | None, old_size: int, new_size: int) -> tuple[int, list[bytes]]:
        """Return the epoch and the hashes of RFC 6962 section 2.1.2.

        Raises NotFoundError when the newest checkpoint does not reach `new_size`, ProofError when the old tree is the
        larger one, IncompleteTreeError.
        """
        published = await self._checkpoint(epoch)
        if new_size > published.size:
            raise NotFoundError(f"the newest checkpoint of epoch {published.epoch} has size {published.size}")
        return published.epoch, await self._tiles.consistency_proof(published.epoch, old_size, new_size)
