"""What sealing and reading sealed entries need from the archive (an object store) and from this machine.

ArchiveError
├── ArchiveUnavailableError   the store does not answer, or refuses this service; try later
├── ObjectMissingError        there is no object of that name
└── ArchiveDamagedError       an object is not what was stored, or gone: a finding of integrity (`archive_damaged`)
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from yoyaku.audit_log.domain.archive import StoredFile


class ArchiveError(Exception):
    """The archive could not do what it was asked for."""


class ArchiveUnavailableError(ArchiveError):
    """The object store does not answer, or refuses this service."""


class ObjectMissingError(ArchiveError):
    """There is no object of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the archive has no {name}")
        self.name = name


class ArchiveDamagedError(ArchiveError):
    """An object of the archive is not what was stored there.

    `expected_sha256` and `found_sha256` are 32 bytes each; `found_sha256` is that of no bytes when the object is gone.
    """

    def __init__(self, name: str, expected_sha256: bytes, found_sha256: bytes, detail: str) -> None:
        super().__init__(f"{name} in the archive: {detail}")
        self.name = name
        self.expected_sha256 = expected_sha256
        self.found_sha256 = found_sha256
        self.detail = detail


class Archive(Protocol):
    """An object store whose names are written once."""

    async def put_once(self, name: str, data: bytes) -> None:
        """Store an object durably. Nothing happens when it is there with these bytes.

        Raises ArchiveDamagedError when other bytes stand under the name (they stay), ArchiveUnavailableError.
        """

    async def read(self, name: str) -> bytes:
        """Return an object. Raises ObjectMissingError, ArchiveUnavailableError."""

    async def delete(self, name: str) -> None:
        """Delete an object; nothing happens when there is none. Raises ArchiveUnavailableError."""

    def names(self, prefix: str, *, after: str = "") -> AsyncIterator[str]:
        """Give the names that begin with `prefix` (a folder, ending in a slash), those greater than `after` only."""


@dataclass(frozen=True, slots=True)
class IndexedEntry:
    """What an entry is found by in the archive: ids and times, nothing personal in clear. Times are aware UTC."""

    position: int
    recorded_at: datetime
    occurred_at: datetime | None
    type: str
    actor: str | None
    subject: str | None
    correlation_id: str | None
    event_id: str | None
    result: str | None


@dataclass(frozen=True, slots=True)
class IndexedPlace:
    """Where an entry that was found is."""

    position: int
    recorded_at: datetime
    result: str | None


@dataclass(frozen=True, slots=True)
class SealedQuery:
    """Which entries of one part to find: from `lowest` to `highest`, both included. A later time is excluded.

    `positions`: only among these, as of a client address, whose digests are not in the archive.
    """

    limit: int
    lowest: int = 0
    highest: int | None = None
    newest_first: bool = False
    actor: str | None = None
    subject: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    result: str | None = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None
    positions: frozenset[int] | None = None


class IndexFiles(Protocol):
    """Writes and reads the parts of search indexes, as files on this machine."""

    async def write(self, entries: Sequence[IndexedEntry]) -> bytes:
        """Return the bytes of a part over these entries."""

    async def find(self, file: Path, query: SealedQuery) -> list[IndexedPlace]:
        """Return what matches, in the direction of reading, at most `query.limit`.

        Raises UnreadableIndexError when the file is no index.
        """


class UnreadableIndexError(ArchiveError):
    """A file is no search index of a segment."""


class ArchiveCache(Protocol):
    """A bounded local folder of objects that were read and checked."""

    async def path_of(self, origin: str, file: StoredFile) -> Path:
        """Return where the object is on this machine, fetched and checked when it was not.

        The file stays until the folder needs room for others. Raises ArchiveDamagedError, ArchiveUnavailableError.
        """
