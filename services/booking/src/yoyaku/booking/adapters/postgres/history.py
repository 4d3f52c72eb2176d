"""The table of changes of reservations, as it is read; it is written by the change itself (`reservations.py`)."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.history import Change, Step
from yoyaku.booking.domain.reservation import Act
from yoyaku.booking.usecases.ports.reservations import Record
from yoyaku.postgres.pool import Connection

_PAGE: Final = """
SELECT reservation_id, version, changed_at, changed_by, action, changes, reason, comment, client_address
FROM reservation_change WHERE reservation_id = $1 AND version > $2 ORDER BY version LIMIT $3
"""
_FIRST_STEPS: Final = """
SELECT v.placed_from, (
    SELECT jsonb_object_agg(first.key, first.value) FROM (
        SELECT DISTINCT ON (step.key) step.key, step.value
        FROM reservation_change c CROSS JOIN LATERAL jsonb_each(c.changes) AS step
        WHERE c.reservation_id = v.id ORDER BY step.key, c.version
    ) AS first
) AS first_steps
FROM reservation v WHERE v.id = $1
"""


async def read_record(connection: Connection, reservation_id: UUID, *, after: int, limit: int) -> Record:
    """Read where the placing came from, and a page of changes by version."""
    placed = await connection.fetchrow(_FIRST_STEPS, reservation_id)
    rows = await connection.fetch(_PAGE, reservation_id, after, limit)
    return Record(
        placed_from=placed["placed_from"] if placed else None,
        first_steps=_steps((placed["first_steps"] if placed else None) or "{}"),
        changes=[_to_change(row) for row in rows],
    )


def changes_text(change: Change) -> str:
    """Write the differences of a change as the table keeps them."""
    return json.dumps({name: {"from": step.before, "to": step.after} for name, step in change.differences.items()})


def _steps(text: str) -> Mapping[str, Step]:
    stored: dict[str, dict[str, Any]] = json.loads(text)
    return {name: Step(step["from"], step["to"]) for name, step in stored.items()}


def _to_change(row: asyncpg.Record) -> Change:
    return Change(
        reservation_id=UUID(bytes=row["reservation_id"].bytes),
        version=row["version"],
        at=row["changed_at"],
        by=UUID(bytes=row["changed_by"].bytes),
        act=Act(row["action"]),
        differences=_steps(row["changes"]),
        reason=row["reason"],
        comment=row["comment"],
        client_address=row["client_address"],
    )
