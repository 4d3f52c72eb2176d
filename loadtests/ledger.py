"""What the databases must say after a load: every answer kept, nothing booked twice, everything audited in time."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

AUDIT_SECONDS = 2.0
"""How soon after the fact the audit log must hold it (PF-01)."""

_OVERLAPS = """
SELECT count(*) FROM reservation AS a JOIN reservation AS b ON a.room_id = b.room_id AND a.id < b.id
WHERE a.status = 'confirmed' AND b.status = 'confirmed' AND a.occupied && b.occupied
"""
_STORED = "SELECT id, room_id, starts_at, status, version FROM reservation"
_AUDITED = """
SELECT count(*) AS entries, count(DISTINCT subject) AS reservations,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM recorded_at - occurred_at)) AS p99,
       max(extract(epoch FROM recorded_at - occurred_at)) AS worst
FROM audit_entry WHERE type = 'booking.reservation.confirmed.v1'
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, whether it holds, and what was found."""

    what: str
    holds: bool
    found: str


def answers_told(console_file: Path) -> dict[UUID, dict[str, Any]]:
    """Read what the people were answered: the newest answer for each reservation."""
    newest: dict[UUID, dict[str, Any]] = {}
    for line in console_file.read_text().splitlines() if console_file.exists() else ():
        told = json.loads(line)
        known = newest.get(UUID(told["id"]))
        if known is None or told["version"] > known["version"]:
            newest[UUID(told["id"])] = told
    return newest


def differences(told: dict[UUID, dict[str, Any]], stored: Iterable[Any]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    """Return the reservations that are missing, those nobody was told of, and those that differ from the answer."""
    rows = {UUID(str(row["id"])): row for row in stored}
    differing = [
        id_
        for id_, answer in told.items()
        if id_ in rows and any(answer[name] != rows[id_][name] for name in ("room_id", "status", "version"))
    ]
    return sorted(set(told) - set(rows)), sorted(set(rows) - set(told)), differing


async def check_bookings(
    connection: asyncpg.Connection, told: dict[UUID, dict[str, Any]], *, cut_off: bool
) -> list[Finding]:
    """Compare what was answered with what is stored; `cut_off`: people left before the last answers came."""
    missing, untold, differing = differences(told, await connection.fetch(_STORED))
    overlaps = await connection.fetchval(_OVERLAPS)
    findings = [
        Finding("no two live reservations of a room overlap", overlaps == 0, f"{overlaps} overlaps"),
        Finding("every 201 is in the database", not missing, f"{len(told)} answers, {len(missing)} missing"),
    ]
    if cut_off:
        return findings
    return [
        *findings,
        Finding("nothing else was booked", not untold, f"{len(untold)} that nobody was told of"),
        Finding("each is stored as last answered", not differing, f"{len(differing)} differ"),
    ]


async def check_audit(connection: asyncpg.Connection, stored: int) -> list[Finding]:
    """Compare how many were made with what the audit log holds, and how soon it did."""
    row = await connection.fetchrow(_AUDITED)
    assert row is not None
    delays = f"p99 {float(row['p99'] or 0):.2f} s, worst {float(row['worst'] or 0):.2f} s after the fact"
    return [
        Finding("every reservation is in the audit log once", row["entries"] == stored == row["reservations"],
                f"{row['entries']} entries, {stored} reservations"),
        Finding(f"within {AUDIT_SECONDS:.0f} s", float(row["worst"] or 0) <= AUDIT_SECONDS, delays),
    ]  # fmt: skip
