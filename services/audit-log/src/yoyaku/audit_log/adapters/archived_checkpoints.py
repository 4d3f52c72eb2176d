"""The archive as somebody outside of the database who keeps checkpoints of the log."""

from collections.abc import Callable, Sequence
from typing import Final

from yoyaku.audit_log.domain.epochs import KnownCheckpoint, known_checkpoint
from yoyaku.audit_log.usecases.archive_ports import ArchiveError
from yoyaku.audit_log.usecases.reconcile import SourceAwayError
from yoyaku.audit_log.usecases.store_checkpoints import ArchivedCheckpoints
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey


class KeptInArchive:
    """A source of checkpoints for the comparison that each term begins with."""

    name: Final = "the archive"

    def __init__(
        self,
        checkpoints: ArchivedCheckpoints,
        keys_of: Callable[[str], Sequence[VerifierKey]],
        *,
        is_awaited: bool,
    ) -> None:
        """Make it. It need not be awaited where a witness is."""
        self._checkpoints = checkpoints
        self._keys_of = keys_of
        self.is_awaited = is_awaited

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        """Return the largest checkpoint of an origin, larger than `size`, that a key of the log signed.

        What is not signed by one was put there by somebody else, and is passed over. Raises SourceAwayError.
        """
        try:
            async for stored in self._checkpoints.newest_first(int(origin.rpartition("/")[2]), above=size):
                try:
                    return known_checkpoint(stored.note, origin, self._keys_of(origin), self.name)
                except TlogError:
                    continue
        except ArchiveError as error:
            raise SourceAwayError(str(error)) from error
        return None
