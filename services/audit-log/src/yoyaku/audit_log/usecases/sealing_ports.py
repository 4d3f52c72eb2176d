"""What sealing needs to know and keep in the database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import EpochSpan, HotMonth, KeptCheckpoint, Segment
from yoyaku.audit_log.usecases.archive_ports import IndexedEntry
from yoyaku.tlog.tile_tree import TileTree


@dataclass(frozen=True, slots=True)
class HotEntry:
    """An entry as it goes into the archive."""

    indexed: IndexedEntry
    leaf: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class DeletedSegment:
    """A segment that is deleted by a recorded fact, and whose files may still stand in the archive."""

    segment: Segment
    event_id: str
    fact_position: int | None
    """Where the fact is recorded in the log; none while it is on its way."""


class EpochTrees(Protocol):
    """The trees as the database has them; see `trees.Trees` for the errors."""

    async def tree(self, epoch: int, size: int) -> TileTree:
        """Read the right edge at a size."""

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        """Read the proof that a tree begins with an older one."""


class SealingReads(Protocol):
    """What stands in the database; any process may ask."""

    async def head_time(self) -> datetime:
        """Return the last time of recording."""

    async def epochs(self) -> Sequence[EpochSpan]:
        """Return all epochs in order."""

    async def partitions(self) -> Sequence[Month]:
        """Return the months that have a partition, in order."""

    async def hot_months(self, months: Sequence[Month]) -> Sequence[HotMonth]:
        """Return what the partitions of these months hold; a month without entries is left out."""

    async def segments(self) -> Sequence[Segment]:
        """Return all segments in order of position."""

    async def checkpoints_covering(self, epoch: int, size: int) -> Sequence[KeptCheckpoint]:
        """Return kept checkpoints of at least this size; the smallest and the smallest cosigned one are among them."""

    async def entries(self, first_position: int, end_position: int) -> Sequence[HotEntry]:
        """Return the hot entries of a range of positions, in order."""

    def bodies(self, first_position: int, end_position: int) -> AsyncIterator[tuple[bytes, bytes]]:
        """Give digest and bytes of each body that stands beside a leaf of the range."""

    async def deleted(self) -> Sequence[DeletedSegment]:
        """Return the segments that are deleted but not expunged, in order of position."""

    async def only_bodies_of(self, segment: Segment) -> Sequence[bytes]:
        """Return the digests of the bodies that a segment refers to and no segment does that is not deleted."""


class SealingWrites(Protocol):
    """What the leader writes; each call is one fenced transaction and raises LeadershipLostError without the lease."""

    async def record_sealed(self, segment: Segment, edge: Mapping[int, bytes], body_digests: Sequence[bytes]) -> bool:
        """Record a verified segment and tell `audit.segment.sealed.v1`; False when it is recorded already.

        `edge`: leaf hashes by position of the entries whose tile is not whole.
        """

    async def record_deleted(self, segment: Segment, deleted_at: datetime) -> bool:
        """Record that a segment is deleted and tell `audit.segment.deleted.v1`; False when it is recorded already."""

    async def record_expunged(self, segment: Segment, expunged_at: datetime) -> None:
        """Record that the files of a deleted segment are gone."""


class PartitionDropper(Protocol):
    """The one who may drop, in a role of its own that can drop nothing else."""

    async def drop(self, month: Month) -> bool:
        """Drop the partitions of a month whose entries are all sealed; False when there are none.

        Raises MonthNotSealedError when the database refuses, and the errors of yoyaku.postgres.
        """

    async def expire_clients(self, segment: Segment) -> int:
        """Delete the keyed digests of client addresses of a deleted segment; return how many."""


class MonthNotSealedError(Exception):
    """The database refuses to drop a month: entries of it are in no segment, or may still come."""
