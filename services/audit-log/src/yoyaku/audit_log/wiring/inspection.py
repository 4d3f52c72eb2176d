"""Puts together the verification of the stored log: on schedule while leading, and whenever somebody asks."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from yoyaku.audit_log.adapters.key_files import KeyFileError
from yoyaku.audit_log.adapters.postgres.epochs import SignedInDatabase
from yoyaku.audit_log.adapters.postgres.inspections import PostgresInspections
from yoyaku.audit_log.adapters.postgres.kept_checkpoints import KeptCheckpoints
from yoyaku.audit_log.adapters.postgres.stored_log import PostgresStoredLog
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.entrypoints.inspecting import Inspecting
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.inspect_log import Checkpoints, InspectLog, KeysUnknownError
from yoyaku.audit_log.usecases.known_elsewhere import KnownElsewhere
from yoyaku.audit_log.usecases.reconcile import CheckpointSource
from yoyaku.audit_log.usecases.report_inspection import InspectWhenDue, ReportInspection, Timetable
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.audit_log.wiring.term import LeaderWork, Term
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_VERIFY_V1, AuditLogVerifyRequest
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.rpc import serve
from yoyaku.postgres.pool import Pool
from yoyaku.tlog.keys import VerifierKey


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the service runs to verify itself."""

    inspecting: Inspecting

    @property
    def works(self) -> Sequence[LeaderWork]:
        """Verification on schedule."""
        return [self._on_schedule]

    async def _on_schedule(self, term: Term, ended: asyncio.Event) -> None:
        await self.inspecting.on_schedule(ended, term.is_suspect)


def inspection_of(
    settings: AuditLogSettings,
    secrets: Secrets,
    pool: Pool,
    outbox: Outbox,
    broker: ServiceBroker,
    *,
    sources: Sequence[CheckpointSource],
    now: Callable[[], datetime],
) -> Inspection:
    """Answer `rpc.audit-log.verify.v1` on any replica, and return what a leader runs.

    `sources`: who keeps checkpoints outside of the database; what the database itself keeps is looked at anyway.
    """
    outside = [KnownElsewhere(source) for source in sources if not isinstance(source, SignedInDatabase)]
    keepers: list[Checkpoints] = [KeptCheckpoints(pool, partial(_log_keys, secrets)), *outside]
    journals = PostgresInspections(pool, outbox)
    timetable = Timetable(
        rolling_every=timedelta(seconds=settings.inspect_every_seconds),
        whole_every=timedelta(days=settings.inspect_whole_every_days),
        rolling_window=timedelta(hours=settings.inspect_window_hours),
    )
    report = ReportInspection(InspectLog(PostgresStoredLog(pool), PostgresTree(pool), keepers), journals, now)
    inspecting = Inspecting(report, InspectWhenDue(report, journals, timetable, now), timetable, now)
    serve(broker, RPC_AUDIT_LOG_VERIFY_V1, AuditLogVerifyRequest, inspecting.on_request)
    return Inspection(inspecting)


def _log_keys(secrets: Secrets, origin: str) -> Sequence[VerifierKey]:
    try:
        return secrets.signing.verifiers(origin)
    except KeyFileError as error:
        raise KeysUnknownError(str(error)) from error
