"""What reading the log needs from outside.

ReadNotRecordedError   who read what could not be recorded, so nothing is shown
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from yoyaku.audit_log.domain.leaf import Open
from yoyaku.audit_log.domain.search import Found, HotFound, Query, StoredEntry
from yoyaku.tlog.tiles import TileId


class ReadNotRecordedError(Exception):
    """Who read what could not be recorded; nothing is shown then (AU-07)."""


class NotFoundError(Exception):
    """There is no such entry, checkpoint, epoch or file; the message says what."""


@dataclass(frozen=True, slots=True)
class Read:
    """Who was shown what."""

    reader: str
    kind: str
    """`search`, `story`, `show`, `entries_file`."""
    subject: str
    """What it was about: `entry/7`, `entries`."""
    filters: dict[str, str] = field(default_factory=dict)
    positions: Sequence[int] = ()
    """Of the entries shown, in any order."""
    client_address: str | None = None
    """From where it was asked, when the asker says."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and from where."""

    name: str
    """As events name actors: `person/<id>`, `operator`."""
    client_address: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedEpoch:
    """A tree as its readers see it."""

    epoch: int
    origin: str
    first_position: int
    size: int
    """Entries that the newest checkpoint covers."""
    note: str
    """The newest checkpoint, with cosignatures as soon as there are any."""


class HotEntries(Protocol):
    """The entries in the database. Every method raises the errors of yoyaku.postgres."""

    async def find(self, query: Query, max_bytes: int) -> HotFound:
        """Return up to `query.limit` entries that hold `max_bytes` together; one entry always fits."""

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Return one entry, with the body beside it when it is not larger than that."""

    async def position_of(self, event_id: str) -> int | None:
        """Say where an event is recorded, also after its month left the database."""

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Return the leaves from a position on; fewer when the database does not hold them all."""

    async def body(self, sha256: bytes) -> bytes | None:
        """Return a body that stands beside its leaf."""


class SealedEntries(Protocol):
    """The entries that left the database for the archive, as they were. One place for all sealed months."""

    async def find(self, query: Query, below: int, max_bytes: int) -> Found:
        """Return what the archive has of a page, of positions under `below`, as HotEntries.find would."""

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Return one entry; None when it is not, or no longer, in the archive."""

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Return the leaves from a position on, as far as the archive holds them."""

    async def body(self, sha256: bytes) -> bytes | None:
        """Return a body that stood beside its leaf."""


class Unsealer(Protocol):
    """The keys of personal fields, for reading."""

    async def opener(self, key_references: Collection[str]) -> Open:
        """Return what opens the fields sealed under these keys, those of the forgotten excepted."""


class Published(Protocol):
    """What is signed. Every method raises the errors of yoyaku.postgres."""

    async def epoch(self, number: int | None) -> PublishedEpoch | None:
        """Return an epoch, the newest when none is named, that has a checkpoint."""

    async def epoch_of(self, position: int) -> PublishedEpoch | None:
        """Return the epoch that holds a position."""

    async def kept_checkpoint(self, epoch: int, size: int) -> str | None:
        """Return a checkpoint that is kept for ever, with its cosignatures."""

    async def kept_checkpoints(self, epoch: int) -> Sequence[tuple[int, datetime]]:
        """Return size and time of every kept checkpoint, the smallest first."""


class Tiles(Protocol):
    """The trees' tiles and proofs. Raises IncompleteTreeError, ProofError, and the errors of yoyaku.postgres."""

    async def tile(self, epoch: int, tile: TileId) -> bytes:
        """Return the hashes of a tile."""

    async def inclusion_proof(self, epoch: int, index: int, size: int) -> list[bytes]:
        """Read the proof that a leaf is in the tree of a size (RFC 6962, section 2.1.1)."""

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        """Read the proof that the tree of `new_size` begins with that of `old_size` (RFC 6962, section 2.1.2)."""


class Reads(Protocol):
    """The memory of who read what."""

    async def record(self, read: Read) -> None:
        """Record a read; when this returns it is committed. Raises ReadNotRecordedError."""


class NothingSealed:
    """The archive of a log whose months are all in the database."""

    async def find(self, query: Query, below: int, max_bytes: int) -> Found:
        """Find nothing."""
        return Found((), has_more=False)

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Find nothing."""
        return None

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Find nothing."""
        return ()

    async def body(self, sha256: bytes) -> bytes | None:
        """Find nothing."""
        return None
