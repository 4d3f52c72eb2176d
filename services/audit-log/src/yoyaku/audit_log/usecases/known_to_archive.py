"""The archive of sealed months as a source of checkpoints: it holds every kept one, written as soon as it was kept."""

from collections.abc import Callable, Iterable
from typing import Final

from yoyaku.audit_log.domain.epochs import KnownCheckpoint, epoch_of, known_checkpoint
from yoyaku.audit_log.usecases.archive_ports import Archive, ArchiveError
from yoyaku.audit_log.usecases.reconcile import SourceAwayError
from yoyaku.audit_log.usecases.store_checkpoints import COSIGNED, stored_name
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey


class KnownToArchive:
    """Answers with the largest kept checkpoint of an origin, if the database's tree is smaller."""

    name: Final = "the archive"
    is_awaited: Final = False
    """An object store that is away for long keeps nobody from signing; it is asked again until it answers."""

    def __init__(self, archive: Archive, environment: str, keys_of: Callable[[str], Iterable[VerifierKey]]) -> None:
        """`keys_of`: the keys that may sign for an origin: the log's, or a witness's."""
        self._archive = archive
        self._environment = environment
        self._keys_of = keys_of

    async def newest(self, origin: str, size: int) -> KnownCheckpoint | None:
        """Return the largest kept checkpoint of an origin above `size`. Raises SourceAwayError."""
        epoch = epoch_of(origin)
        after = stored_name(self._environment, epoch, max(size, 0), is_cosigned=True)
        newest: str | None = None
        try:
            async for name in self._archive.names(f"{after.rpartition('/')[0]}/", after=after):
                newest = name
            if newest is None:
                return None
            note = (await self._archive.read(newest)).decode("utf-8", "replace")
            known = known_checkpoint(note, origin, self._keys_of(origin), self.name)
        except ArchiveError as away:
            raise SourceAwayError(str(away)) from away
        except TlogError as odd:
            raise SourceAwayError(f"{newest} cannot be used: {odd}") from None
        if stored_name(self._environment, epoch, known.size, is_cosigned=False) != newest.removesuffix(COSIGNED):
            raise SourceAwayError(f"{newest} holds the checkpoint of size {known.size}")
        return known
