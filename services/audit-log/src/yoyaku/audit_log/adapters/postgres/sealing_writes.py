"""What sealing writes: segments, their deletion, and the facts about both, each in one fenced transaction.

Invariant: a row and its fact are committed together, and only while this process leads.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from yoyaku.audit_log.domain.segment import Segment
from yoyaku.audit_log.usecases.ports import ACTOR
from yoyaku.contracts.audit_v1 import SegmentDeleted, SegmentSealed
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Pool

_IS_SEALED: Final = "SELECT true FROM audit_segment WHERE epoch = $1 AND month = $2"
_RECORD_SEALED: Final = """
INSERT INTO audit_segment (epoch, month, first_position, entry_count, checkpoint_size, root, manifest_sha256,
                           stored_bytes, sealed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_RECORD_EDGE: Final = """
INSERT INTO audit_sealed_edge (epoch, position, leaf_hash)
SELECT $1, * FROM unnest($2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING
"""
_RECORD_BODIES: Final = """
INSERT INTO audit_sealed_body (epoch, month, sha256) SELECT $1, $2, * FROM unnest($3::bytea[])
"""
_IS_DELETED: Final = "SELECT true FROM audit_segment_deleted WHERE epoch = $1 AND month = $2"
_RECORD_DELETED: Final = """
INSERT INTO audit_segment_deleted (epoch, month, event_id, deleted_at) VALUES ($1, $2, $3, $4)
"""
_RECORD_EXPUNGED: Final = """
INSERT INTO audit_segment_expunged (epoch, month, expunged_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""


class PostgresSealingWrites:
    """Writes for sealing, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[OutboxTransaction]:
        async with self._outbox.transaction(self._pool) as transaction:
            await self._lease.fence(transaction.connection)
            yield transaction

    async def record_sealed(self, segment: Segment, edge: Mapping[int, bytes], body_digests: Sequence[bytes]) -> bool:
        """Record a verified segment; see `SealingWrites`."""
        month = segment.month.first_day
        async with self._transaction() as transaction:
            connection = transaction.connection
            if await connection.fetchval(_IS_SEALED, segment.epoch, month):
                return False
            await connection.execute(
                _RECORD_SEALED,
                segment.epoch,
                month,
                segment.first_position,
                segment.entry_count,
                segment.checkpoint_size,
                segment.root,
                segment.manifest_sha256,
                segment.stored_bytes,
                segment.sealed_at,
            )
            await connection.execute(_RECORD_EDGE, segment.epoch, list(edge), list(edge.values()))
            await connection.execute(_RECORD_BODIES, segment.epoch, month, list(body_digests))
            fact = SegmentSealed(
                epoch=segment.epoch,
                month=str(segment.month),
                first_position=segment.first_position,
                entry_count=segment.entry_count,
                size=segment.checkpoint_size,
                root_sha256=segment.root.hex(),
                stored_bytes=segment.stored_bytes,
            )
            transaction.emit(fact, subject=_subject(segment), actor=ACTOR)
        return True

    async def record_deleted(self, segment: Segment, deleted_at: datetime) -> bool:
        """Record that a segment is deleted; see `SealingWrites`."""
        month = segment.month.first_day
        async with self._transaction() as transaction:
            if await transaction.connection.fetchval(_IS_DELETED, segment.epoch, month):
                return False
            fact = SegmentDeleted(
                epoch=segment.epoch,
                month=str(segment.month),
                first_position=segment.first_position,
                entry_count=segment.entry_count,
            )
            event_id = transaction.emit(fact, subject=_subject(segment), actor=ACTOR)
            await transaction.connection.execute(_RECORD_DELETED, segment.epoch, month, event_id, deleted_at)
        return True

    async def record_expunged(self, segment: Segment, expunged_at: datetime) -> None:
        """Record that the files of a deleted segment are gone."""
        async with self._transaction() as transaction:
            month = segment.month.first_day
            await transaction.connection.execute(_RECORD_EXPUNGED, segment.epoch, month, expunged_at)


def _subject(segment: Segment) -> str:
    return f"segment/{segment.epoch}/{segment.month}"
