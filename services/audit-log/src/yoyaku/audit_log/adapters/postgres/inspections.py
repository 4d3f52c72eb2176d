"""What verification found, in PostgreSQL; told through the outbox of the same transaction."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from yoyaku.audit_log.domain.inspection import Finding
from yoyaku.audit_log.domain.leaf import text_of
from yoyaku.audit_log.usecases.inspect_log import Scope
from yoyaku.audit_log.usecases.ports import ACTOR
from yoyaku.audit_log.usecases.report_inspection import Report
from yoyaku.contracts.audit_v1 import IntegrityViolated, LogVerified
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

TREE_SOURCE: Final = "/audit-log/tree"
"""The source of a finding whose entry is not there: its number is the position."""

_KEEP_FINDING: Final = """
INSERT INTO audit_finding (kind, position, found_sha256, expected, detail, source, number, event_id, first_found_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING RETURNING true
"""
_KEEP_INSPECTION: Final = """
INSERT INTO audit_inspection (scope, started_at, finished_at, first_position, entry_count, checkpoint_count,
                              finding_count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LAST_FINISHED: Final = "SELECT max(finished_at) FROM audit_inspection WHERE scope = ANY ($1::text[])"
_OPEN_FINDINGS: Final = """
SELECT coalesce(max(finding_count), 0) FROM audit_inspection
 WHERE inspection_id >= coalesce((SELECT max(inspection_id) FROM audit_inspection WHERE scope = 'whole'), 0)
"""
_STATUS: Final = """
SELECT (SELECT max(finished_at) FROM audit_inspection WHERE scope = 'whole') AS whole_at,
       (SELECT max(finished_at) FROM audit_inspection) AS last_at,
       (SELECT count(*) FROM audit_finding) AS ever,
       (SELECT min(position) FROM audit_finding) AS first_position
"""


class PostgresInspections:
    """The journal of inspections."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["InspectionTransaction"]:
        """Open a transaction; it commits when the block ends without an exception."""
        async with self._outbox.transaction(self._pool) as opened:
            yield InspectionTransaction(opened)

    async def last_finished(self, scope: Scope) -> datetime | None:
        """Return when the last inspection of a scope ended; a whole one counts as a rolling one too."""
        scopes = [Scope.WHOLE.value] if scope is Scope.WHOLE else [one.value for one in Scope]
        async with transaction(self._pool, read_only=True) as connection:
            found: datetime | None = await connection.fetchval(_LAST_FINISHED, scopes)
        return found

    async def open_findings(self) -> int:
        """Return how much was wrong at the last whole inspection, or at a later one when that found more."""
        async with transaction(self._pool, read_only=True) as connection:
            return int(await connection.fetchval(_OPEN_FINDINGS))

    async def status(self) -> dict[str, Any]:
        """Tell for `yoyaku audit status` when it was verified, and what was found."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_STATUS)
            open_findings = int(await connection.fetchval(_OPEN_FINDINGS))
        assert row is not None
        return {
            "verified_at": None if row["last_at"] is None else text_of(row["last_at"]),
            "verified_whole_at": None if row["whole_at"] is None else text_of(row["whole_at"]),
            "open_findings": open_findings,
            "findings_ever": row["ever"],
            "first_bad_position": row["first_position"],
        }


class InspectionTransaction:
    """One transaction of the journal."""

    def __init__(self, opened: OutboxTransaction) -> None:
        self._opened = opened

    async def keep_findings(self, findings: Sequence[Finding], found_at: datetime) -> Sequence[Finding]:
        """Keep findings; return those that were not known before."""
        new = []
        for finding in findings:
            is_new = await self._opened.connection.fetchval(
                _KEEP_FINDING,
                finding.kind.value,
                finding.position,
                finding.found,
                finding.expected,
                finding.detail,
                finding.source,
                finding.number,
                finding.event_id,
                found_at,
            )
            if is_new:
                new.append(finding)
        return new

    async def keep_inspection(self, report: Report) -> None:
        """Keep that it was made, and tell `audit.log.verified.v1`."""
        made = report.inspection
        await self._opened.connection.execute(
            _KEEP_INSPECTION,
            made.scope.value,
            report.started_at,
            report.finished_at,
            made.first_position,
            made.entry_count,
            made.checkpoint_count,
            len(made.findings),
        )
        event = LogVerified(
            scope=made.scope.value,
            first_position=made.first_position,
            entry_count=made.entry_count,
            damaged=len(made.findings),
            duration_seconds=report.duration_seconds,
        )
        self._opened.emit(event, subject="audit-log/inspection", actor=ACTOR)

    def tell(self, finding: Finding) -> None:
        """Tell `audit.integrity.violated.v1`."""
        event = IntegrityViolated(
            kind=finding.kind.value,
            event_id=finding.event_id or f"position/{finding.position}",
            source=finding.source or TREE_SOURCE,
            number=finding.position if finding.number is None else finding.number,
            expected_sha256=finding.expected.hex(),
            found_sha256=finding.found.hex(),
            position=finding.position,
            detail=finding.detail[:1000],
        )
        self._opened.emit(event, subject=f"entry/{finding.position}", actor=ACTOR)
