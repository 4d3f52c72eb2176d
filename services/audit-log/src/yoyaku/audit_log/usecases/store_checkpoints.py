"""Write kept checkpoints into the archive as soon as they are kept, so that a restored database can be compared.

Each goes to `<environment's origin>/checkpoints/<epoch>/<size>` as the log signed it, and once more with `.cosigned`
when a witness's line is there. Numbers have leading zeros, so that names stand in the order of sizes.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from yoyaku.audit_log.domain.segment import KeptCheckpoint
from yoyaku.audit_log.usecases.archive_ports import Archive, ArchiveDamagedError

COSIGNED: Final = ".cosigned"
_BATCH: Final = 200


class UnstoredCheckpoints(Protocol):
    """Which kept checkpoints are not in the archive yet."""

    async def unstored(self, limit: int) -> Sequence[KeptCheckpoint]:
        """Return kept checkpoints, oldest first, that are not stored in this state (signed, or cosigned)."""

    async def mark_stored(self, checkpoints: Sequence[KeptCheckpoint]) -> None:
        """Remember that they are stored."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it stands in the archive; what it says is to be verified by its signatures."""

    epoch: int
    size: int
    is_cosigned: bool
    note: str


def checkpoints_folder(environment: str) -> str:
    """Name the folder of an environment's kept checkpoints."""
    return f"audit.yoyaku/{environment}/checkpoints/"


def stored_name(environment: str, epoch: int, size: int, *, is_cosigned: bool) -> str:
    """Name a kept checkpoint."""
    return f"{checkpoints_folder(environment)}{epoch:06d}/{size:020d}{COSIGNED if is_cosigned else ''}"


async def put_note_once(archive: Archive, name: str, note: str) -> None:
    """Store a signed note. One with the same text and other signatures, from a run that crashed, is as good.

    Raises ArchiveDamagedError when another text stands there, ArchiveUnavailableError.
    """
    try:
        await archive.put_once(name, note.encode())
    except ArchiveDamagedError:
        found = (await archive.read(name)).decode("utf-8", "replace")
        if found.partition("\n\n")[0] != note.partition("\n\n")[0]:
            raise


class StoreCheckpoints:
    """What the leader does every few seconds."""

    def __init__(self, checkpoints: UnstoredCheckpoints, archive: Archive, environment: str) -> None:
        self._checkpoints = checkpoints
        self._archive = archive
        self._environment = environment

    async def __call__(self) -> int:
        """Store what is new and return how many; raises ArchiveError and the errors of yoyaku.postgres."""
        stored = 0
        while found := await self._checkpoints.unstored(_BATCH):
            for one in found:
                name = stored_name(self._environment, one.epoch, one.size, is_cosigned=one.is_cosigned)
                await put_note_once(self._archive, name, one.note)
                await self._checkpoints.mark_stored([one])
            stored += len(found)
        return stored


class ArchivedCheckpoints:
    """The newest checkpoints of the archive: what a database is compared with when it may have been restored."""

    def __init__(self, archive: Archive, environment: str) -> None:
        self._archive = archive
        self._environment = environment

    async def newest_first(self, epoch: int, *, above: int = -1) -> AsyncIterator[StoredCheckpoint]:
        """Give the checkpoints of an epoch larger than `above`, the largest first, of one size the cosigned one first.

        Raises ArchiveUnavailableError. Names that are not checkpoints' are passed over.
        """
        folder = checkpoints_folder(self._environment)
        known = stored_name(self._environment, epoch, above, is_cosigned=True) if above >= 0 else ""
        names = [name async for name in self._archive.names(f"{folder}{epoch:06d}/", after=known)]
        for name in sorted(names, reverse=True):
            place = _place(name.removeprefix(folder))
            if place is not None:
                yield StoredCheckpoint(*place, (await self._archive.read(name)).decode("utf-8", "replace"))


def _place(name: str) -> tuple[int, int, bool] | None:
    epoch, _, rest = name.partition("/")
    size, _, ending = rest.partition(".")
    if not (epoch.isascii() and epoch.isdigit() and size.isascii() and size.isdigit() and ending in {"", "cosigned"}):
        return None
    return int(epoch), int(size), ending == "cosigned"
