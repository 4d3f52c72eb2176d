"""The catalogue of runs in PostgreSQL: all statements of its tables.

Invariant: what the leader writes is fenced by its lease; a run that has ended is never written again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from asyncpg import Record
from opentelemetry import context as otel_context

from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Taken, Trigger
from yoyaku.backup_coordinator.usecases.ports import RunInProgressError
from yoyaku.contracts.backup_v1 import BackupKind, BackupRunCompleted, BackupRunFailed, BackupRunStarted
from yoyaku.contracts.envelope import Event
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.observability.tracing import context_from, current_trace_id
from yoyaku.postgres.errors import ConstraintViolatedError
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_COLUMNS: Final = """
    run_id::text AS run_id, kind, trigger, state, requested_by, requested_at, scheduled_for, traceparent, started_at,
    finished_at, directory, size_bytes, file_count, manifest_sha256, record_sha256, reason
"""
_KEPT_UNTIL: Final = "SELECT kept_until FROM backup_schedule FOR UPDATE"
_KEEP: Final = "UPDATE backup_schedule SET kept_until = $1"
_ADD_SCHEDULED: Final = """
INSERT INTO backup_run (run_id, kind, trigger, state, requested_by, requested_at, scheduled_for, traceparent)
VALUES ($1::text::uuid, $2, 'schedule', 'requested', $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT backup_run_scheduled_once DO NOTHING
RETURNING true
"""
_REQUEST: Final = """
INSERT INTO backup_run (run_id, kind, trigger, state, requested_by, traceparent)
VALUES ($1::text::uuid, $2, 'request', 'requested', $3, $4)
"""
_UNDER_WAY: Final = """
SELECT run_id::text FROM backup_run WHERE state = 'running' OR (state = 'requested' AND trigger = 'request')
 ORDER BY state DESC LIMIT 1
"""
_WITHDRAW: Final = """
UPDATE backup_run SET state = 'failed', finished_at = clock_timestamp(), reason = $2
 WHERE run_id = $1::text::uuid AND state = 'requested'
RETURNING true
"""
_START_OLDEST: Final = f"""
UPDATE backup_run SET state = 'running', started_at = $1
 WHERE run_id = (
    SELECT run_id FROM backup_run WHERE state = 'requested' ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED
 )
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants
_COMPLETE: Final = """
UPDATE backup_run
   SET state = 'completed', finished_at = $2, directory = $3, size_bytes = $4, file_count = $5, manifest_sha256 = $6,
       record_sha256 = $7
 WHERE run_id = $1::text::uuid AND state = 'running'
RETURNING true
"""
_FAIL: Final = """
UPDATE backup_run SET state = 'failed', finished_at = $2, reason = $3
 WHERE run_id = $1::text::uuid AND state = 'running'
RETURNING true
"""
_RUNNING: Final = f"SELECT {_COLUMNS} FROM backup_run WHERE state = 'running' FOR UPDATE"  # noqa: S608 - constants
_FAILED_AMONG: Final = """
SELECT run_id::text AS run_id FROM backup_run WHERE state = 'failed' AND run_id = ANY ($1::text[]::uuid[])
"""
_GET: Final = f"SELECT {_COLUMNS} FROM backup_run WHERE run_id = $1::text::uuid"  # noqa: S608 - constants
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM backup_run WHERE started_at IS NOT NULL OR state = 'failed'
 ORDER BY requested_at DESC, run_id DESC LIMIT $1
"""  # noqa: S608 - constants


class PostgresCatalogue:
    """The catalogue as everyone sees it."""

    def __init__(self, pool: Pool, new_id: Callable[[], str]) -> None:
        self._pool = pool
        self._new_id = new_id

    async def request(self, kind: RunKind, requested_by: str, traceparent: str | None) -> str:
        """Add a run for the leader to take; return its id. Raises RunInProgressError."""
        run_id = self._new_id()
        while True:
            async with transaction(self._pool) as connection:
                under_way = await connection.fetchval(_UNDER_WAY)
            if under_way is not None:
                raise RunInProgressError(under_way)
            try:
                async with transaction(self._pool) as connection:
                    await connection.execute(_REQUEST, run_id, kind.value, requested_by, traceparent)
                return run_id
            except ConstraintViolatedError as refused:
                if refused.constraint_name != "backup_run_one_waits":
                    raise

    async def withdraw(self, run_id: str, reason: str) -> bool:
        """Fail a run that nobody has begun; `False` when somebody has."""
        async with transaction(self._pool) as connection:
            return bool(await connection.fetchval(_WITHDRAW, run_id, reason))

    async def get(self, run_id: str) -> Run | None:
        """Return a run."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_GET, run_id)
        return _to_run(row) if row is not None else None

    async def newest(self, limit: int) -> list[Run]:
        """Return runs, the newest first, without those that wait."""
        async with transaction(self._pool, read_only=True) as connection:
            return [_to_run(row) for row in await connection.fetch(_NEWEST, limit)]


class PostgresLeadersCatalogue:
    """The catalogue as the leader writes it, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        self._pool = pool
        self._outbox = outbox
        self._lease = lease

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresCatalogueTransaction"]:
        """Open a fenced transaction; raises LeadershipLostError when another process leads."""
        async with self._outbox.transaction(self._pool) as opened:
            await self._lease.fence(opened.connection)
            yield PostgresCatalogueTransaction(opened)


class PostgresCatalogueTransaction:
    """One transaction of the leader."""

    def __init__(self, opened: OutboxTransaction) -> None:
        self._transaction = opened
        self._connection = opened.connection

    async def kept_until(self) -> datetime:
        """Up to which moment the schedule was dealt with; held until the commit."""
        moment: datetime = await self._connection.fetchval(_KEPT_UNTIL)
        return moment

    async def keep_schedule(self, until: datetime) -> None:
        """Note that the schedule was dealt with up to a moment."""
        await self._connection.execute(_KEEP, until)

    async def add_scheduled(self, run: Run) -> bool:
        """Add a run of the schedule; `False` when its moment has one."""
        added = await self._connection.fetchval(
            _ADD_SCHEDULED,
            run.run_id,
            run.kind.value,
            run.requested_by,
            run.requested_at,
            run.scheduled_for,
            run.traceparent,
        )
        return bool(added)

    async def start_oldest(self, now: datetime) -> Run | None:
        """Turn the oldest requested run into a running one, and tell `backup.run.started.v1`."""
        row = await self._connection.fetchrow(_START_OLDEST, now)
        if row is None:
            return None
        run = _to_run(row)
        self._emit(run, BackupRunStarted(run_id=run.run_id, kind=BackupKind(run.kind.value)))
        return run

    async def complete(self, run: Run, taken: Taken, now: datetime) -> None:
        """Record the end of a run and tell `backup.run.completed.v1`; nothing happens when it is recorded."""
        done = await self._connection.fetchval(
            _COMPLETE,
            run.run_id,
            now,
            taken.directory,
            taken.size_bytes,
            taken.file_count,
            taken.manifest_sha256,
            taken.record_sha256,
        )
        if done:
            completed = BackupRunCompleted(
                run_id=run.run_id,
                kind=BackupKind(run.kind.value),
                size_bytes=taken.size_bytes,
                file_count=taken.file_count,
                duration_seconds=_seconds_since_start(run, now),
                manifest_sha256=taken.manifest_sha256,
            )
            self._emit(run, completed)

    async def fail(self, run: Run, reason: str, now: datetime) -> None:
        """Record the failure of a run and tell `backup.run.failed.v1`; nothing happens when it has ended."""
        if await self._connection.fetchval(_FAIL, run.run_id, now, reason):
            self._emit(run, BackupRunFailed(run_id=run.run_id, kind=BackupKind(run.kind.value), reason=reason))

    async def running(self) -> Sequence[Run]:
        """Return the runs that are `running`."""
        return [_to_run(row) for row in await self._connection.fetch(_RUNNING)]

    async def failed_among(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the runs that have failed."""
        return [row["run_id"] for row in await self._connection.fetch(_FAILED_AMONG, list(run_ids))]

    def _emit(self, run: Run, event: Event) -> None:
        """Emit in the trace of what asked for the run, whatever this process is doing."""
        in_its_trace = (current_trace_id() or "none") in (run.traceparent or "")
        token = None if in_its_trace else otel_context.attach(context_from(run.traceparent))
        try:
            self._transaction.emit(event, subject=f"backup-run/{run.run_id}", actor=run.requested_by)
        finally:
            if token is not None:
                otel_context.detach(token)


def _seconds_since_start(run: Run, now: datetime) -> float:
    return max(0.0, (now - run.started_at).total_seconds()) if run.started_at is not None else 0.0


def _to_run(row: Record) -> Run:
    taken = None
    if row["directory"] is not None:
        taken = Taken(
            directory=row["directory"],
            size_bytes=row["size_bytes"],
            file_count=row["file_count"],
            manifest_sha256=row["manifest_sha256"],
            record_sha256=row["record_sha256"],
        )
    return Run(
        run_id=row["run_id"],
        kind=RunKind(row["kind"]),
        trigger=Trigger(row["trigger"]),
        state=RunState(row["state"]),
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        scheduled_for=row["scheduled_for"],
        traceparent=row["traceparent"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        taken=taken,
        reason=row["reason"],
    )
