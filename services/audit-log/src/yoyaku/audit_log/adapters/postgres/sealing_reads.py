"""What sealing asks of the database, and which kept checkpoints the archive has."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, cast

from asyncpg import Record

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import EpochSpan, HotMonth, KeptCheckpoint, Segment
from yoyaku.audit_log.usecases.archive_ports import IndexedEntry
from yoyaku.audit_log.usecases.sealing_ports import DeletedSegment, HotEntry
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import single_statement, transaction

_HEAD_TIME: Final = """
SELECT coalesce((SELECT last_recorded_at FROM audit_head WHERE isfinite(last_recorded_at)),
                (SELECT recorded_at FROM audit_entry ORDER BY position DESC LIMIT 1),
                '1970-01-01T00:00:00Z') AS last_recorded_at
"""
_EPOCHS: Final = """
SELECT epoch, origin, first_position, lead(first_position) OVER (ORDER BY epoch) AS end_position
  FROM audit_epoch ORDER BY epoch
"""
_PARTITIONS: Final = """
SELECT right(child.relname, 7) AS month
  FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
 WHERE inhparent = 'public.audit_entry'::regclass ORDER BY child.relname
"""
_HOT_MONTH: Final = """
SELECT epoch, min(position) AS first_position, max(position) AS last_position, count(*) AS entry_count
  FROM audit_entry WHERE recorded_at >= $1 AND recorded_at < $2 GROUP BY epoch ORDER BY epoch
"""
_SEGMENT: Final = """
s.epoch, s.month, s.first_position, s.entry_count, s.checkpoint_size, s.root, s.manifest_sha256, s.stored_bytes,
       s.sealed_at, d.deleted_at
"""
_SEGMENTS: Final = f"""
SELECT {_SEGMENT} FROM audit_segment AS s LEFT JOIN audit_segment_deleted AS d USING (epoch, month)
 ORDER BY s.first_position
"""  # noqa: S608  constants only
_DELETED: Final = f"""
SELECT {_SEGMENT}, d.event_id, r.position AS fact_position
  FROM audit_segment AS s JOIN audit_segment_deleted AS d USING (epoch, month)
  LEFT JOIN audit_recorded AS r ON r.event_id = d.event_id
 WHERE NOT EXISTS (SELECT FROM audit_segment_expunged AS e WHERE e.epoch = s.epoch AND e.month = s.month)
 ORDER BY s.first_position
"""  # noqa: S608  constants only
_KEPT: Final = """
c.epoch, c.size, c.root, c.note, (SELECT string_agg(rtrim(line, E'\\n') || E'\\n', '' ORDER BY witness)
    FROM audit_cosignature AS w WHERE w.epoch = c.epoch AND w.size = c.size) AS lines
"""
_COVERING: Final = f"""
(SELECT {_KEPT} FROM audit_checkpoint AS c WHERE c.epoch = $1 AND c.size >= $2 ORDER BY c.size LIMIT 1)
UNION
(SELECT {_KEPT} FROM audit_checkpoint AS c
  WHERE c.epoch = $1 AND c.size = (SELECT min(size) FROM audit_cosignature WHERE epoch = $1 AND size >= $2))
"""  # noqa: S608  constants only
_UNSTORED: Final = f"""
SELECT {_KEPT}, false AS cosigned FROM audit_checkpoint AS c
 WHERE NOT EXISTS (SELECT FROM audit_checkpoint_stored AS s
                    WHERE s.epoch = c.epoch AND s.size = c.size AND NOT s.is_cosigned)
UNION ALL
SELECT {_KEPT}, true FROM audit_checkpoint AS c
 WHERE EXISTS (SELECT FROM audit_cosignature AS w WHERE w.epoch = c.epoch AND w.size = c.size)
   AND NOT EXISTS (SELECT FROM audit_checkpoint_stored AS s
                    WHERE s.epoch = c.epoch AND s.size = c.size AND s.is_cosigned)
 ORDER BY epoch, size, cosigned LIMIT $1
"""  # noqa: S608  constants only
_MARK_STORED: Final = """
INSERT INTO audit_checkpoint_stored (epoch, size, is_cosigned)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::boolean[]) ON CONFLICT DO NOTHING
"""
_ENTRIES: Final = """
SELECT position, recorded_at, occurred_at, type, actor, subject, correlation_id, event_id, result, leaf, leaf_hash
  FROM audit_entry WHERE position >= $1 AND position < $2 ORDER BY position
"""
_BODY_POSITIONS: Final = "SELECT position FROM audit_body WHERE position >= $1 AND position < $2 ORDER BY position"
_BODY: Final = "SELECT sha256, content FROM audit_body WHERE position = $1"
_ONLY_BODIES: Final = """
SELECT sha256 FROM audit_sealed_body AS b
 WHERE epoch = $1 AND month = $2
   AND NOT EXISTS (SELECT FROM audit_sealed_body AS o
                    WHERE o.sha256 = b.sha256 AND (o.epoch, o.month) <> (b.epoch, b.month)
                      AND NOT EXISTS (SELECT FROM audit_segment_deleted AS d
                                       WHERE d.epoch = o.epoch AND d.month = o.month))
"""
_SEGMENT_OF_BODY: Final = """
SELECT b.epoch, e.origin FROM audit_sealed_body AS b JOIN audit_epoch AS e USING (epoch)
 WHERE b.sha256 = $1
   AND NOT EXISTS (SELECT FROM audit_segment_deleted AS d WHERE d.epoch = b.epoch AND d.month = b.month)
 LIMIT 1
"""


class PostgresSealingReads:
    """Reads for sealing, each in a statement of its own. Also knows which checkpoints the archive has."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def _fetch(self, statement: str, *values: object) -> list[Record]:
        async with single_statement(self._pool, read_only=True) as connection:
            return await connection.fetch(statement, *values)

    async def head_time(self) -> datetime:
        """Return the last time of recording."""
        return cast("datetime", (await self._fetch(_HEAD_TIME))[0]["last_recorded_at"])

    async def epochs(self) -> Sequence[EpochSpan]:
        """Return all epochs in order."""
        return [EpochSpan(*row) for row in await self._fetch(_EPOCHS)]

    async def partitions(self) -> Sequence[Month]:
        """Return the months that have a partition, in order."""
        return [Month.parse(row["month"].replace("_", "-")) for row in await self._fetch(_PARTITIONS)]

    async def hot_months(self, months: Sequence[Month]) -> Sequence[HotMonth]:
        """Return what the partitions of these months hold."""
        return [
            HotMonth(month, row["epoch"], row["first_position"], row["entry_count"], row["last_position"])
            for month in months
            for row in await self._fetch(_HOT_MONTH, month.begins_at, month.ends_at)
        ]

    async def segments(self) -> Sequence[Segment]:
        """Return all segments in order of position."""
        return [_segment(row) for row in await self._fetch(_SEGMENTS)]

    async def checkpoints_covering(self, epoch: int, size: int) -> Sequence[KeptCheckpoint]:
        """Return the smallest kept checkpoint of at least this size, and the smallest cosigned one."""
        return [_kept(row) for row in await self._fetch(_COVERING, epoch, size)]

    async def entries(self, first_position: int, end_position: int) -> Sequence[HotEntry]:
        """Return the hot entries of a range of positions, in order."""
        rows = await self._fetch(_ENTRIES, first_position, end_position)
        return [HotEntry(IndexedEntry(*row[:9]), row["leaf"], row["leaf_hash"]) for row in rows]

    async def bodies(self, first_position: int, end_position: int) -> AsyncIterator[tuple[bytes, bytes]]:
        """Give digest and bytes of each body beside a leaf of the range, each digest once."""
        seen = set()
        for place in await self._fetch(_BODY_POSITIONS, first_position, end_position):
            (row,) = await self._fetch(_BODY, place["position"])
            if row["sha256"] not in seen:
                seen.add(row["sha256"])
                yield row["sha256"], row["content"]

    async def deleted(self) -> Sequence[DeletedSegment]:
        """Return the segments that are deleted but not expunged, in order of position."""
        rows = await self._fetch(_DELETED)
        return [DeletedSegment(_segment(row), row["event_id"], row["fact_position"]) for row in rows]

    async def only_bodies_of(self, segment: Segment) -> Sequence[bytes]:
        """Return the digests of the bodies that no other segment needs."""
        rows = await self._fetch(_ONLY_BODIES, segment.epoch, segment.month.first_day)
        return [row["sha256"] for row in rows]

    async def segment_of_body(self, digest: bytes) -> tuple[int, str] | None:
        """Return epoch and origin of a segment, not deleted, that refers to a body."""
        rows = await self._fetch(_SEGMENT_OF_BODY, digest)
        return (rows[0]["epoch"], rows[0]["origin"]) if rows else None

    async def unstored(self, limit: int) -> Sequence[KeptCheckpoint]:
        """Return kept checkpoints that the archive does not have in this state."""
        return [_kept(row, with_lines=row["cosigned"]) for row in await self._fetch(_UNSTORED, limit)]

    async def mark_stored(self, checkpoints: Sequence[KeptCheckpoint]) -> None:
        """Remember that the archive has these."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                _MARK_STORED,
                [one.epoch for one in checkpoints],
                [one.size for one in checkpoints],
                [one.is_cosigned for one in checkpoints],
            )


def _segment(row: Record) -> Segment:
    return Segment(
        month=Month(row["month"].year, row["month"].month),
        epoch=row["epoch"],
        first_position=row["first_position"],
        entry_count=row["entry_count"],
        checkpoint_size=row["checkpoint_size"],
        root=row["root"],
        manifest_sha256=row["manifest_sha256"],
        stored_bytes=row["stored_bytes"],
        sealed_at=row["sealed_at"],
        deleted_at=row["deleted_at"],
    )


def _kept(row: Record, *, with_lines: bool = True) -> KeptCheckpoint:
    lines = (row["lines"] or "") if with_lines else ""
    return KeptCheckpoint(row["epoch"], row["size"], row["root"], row["note"] + lines, bool(lines))
