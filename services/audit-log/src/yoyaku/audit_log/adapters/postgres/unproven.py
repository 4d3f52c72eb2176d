"""Entries from before there was a tree, as they stand in `audit_unproven`; read only."""

import json
from collections.abc import Sequence
from typing import Final

from asyncpg import Record

from yoyaku.audit_log.domain.fact import Fact, Origin
from yoyaku.audit_log.usecases.ports import Unproven
from yoyaku.postgres.pool import Connection

_FROM: Final = "SELECT * FROM audit_unproven WHERE position >= $1 ORDER BY position LIMIT $2"


async def unproven_from(connection: Connection, position: int, limit: int) -> Sequence[Unproven]:
    """Return entries from a position on, in order."""
    rows = await connection.fetch(_FROM, position, limit)
    return [Unproven(row["position"], row["recorded_at"], _fact(row)) for row in rows]


def _fact(row: Record) -> Fact:
    """Make the fact that was recorded; its headers were kept only where it could not be read."""
    return Fact(
        source=row["source"],
        number=row["number"],
        event_id=row["event_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        actor=row["actor"],
        subject=row["subject"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        client_address=row["client_address"],
        dataschema=row["dataschema"],
        traceparent=row["traceparent"],
        body=row["body"],
        body_sha256=row["body_sha256"],
        fact_sha256=row["fact_sha256"],
        origin=Origin(row["stream"], row["stream_sequence"]),
        headers=json.loads(row["headers"]) if row["headers"] is not None else {},
        problem=row["problem"],
    )
