"""Puts together everything about sealed months: reading them, sealing while leading, and comparing with the archive."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from yoyaku.audit_log.adapters.archived_checkpoints import KeptInArchive
from yoyaku.audit_log.adapters.index_files import SqliteIndexFiles
from yoyaku.audit_log.adapters.object_store.archive import ArchiveUrlError, ObjectStoreArchive, open_archive
from yoyaku.audit_log.adapters.object_store.cache import FolderCache
from yoyaku.audit_log.adapters.postgres.damage_reports import PostgresDamageReports
from yoyaku.audit_log.adapters.postgres.partition_dropper import PostgresPartitionDropper
from yoyaku.audit_log.adapters.postgres.sealed_keys import PostgresSealedKeys
from yoyaku.audit_log.adapters.postgres.sealing_reads import PostgresSealingReads
from yoyaku.audit_log.adapters.postgres.sealing_writes import PostgresSealingWrites
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.domain.segment import deleted_end, sealed_end
from yoyaku.audit_log.entrypoints.rpc.segments import OnSeal, OnSegments
from yoyaku.audit_log.entrypoints.sealing import Rounds, TermOfSealing
from yoyaku.audit_log.settings import AuditLogSettings
from yoyaku.audit_log.usecases.delete_segments import DeleteSegments
from yoyaku.audit_log.usecases.inspect_archive import InspectArchive
from yoyaku.audit_log.usecases.read_sealed import ReadSealed
from yoyaku.audit_log.usecases.reader_ports import NothingSealed, SealedEntries
from yoyaku.audit_log.usecases.reconcile import CheckpointSource
from yoyaku.audit_log.usecases.seal_months import SealMonths
from yoyaku.audit_log.usecases.sealed_entries import ArchiveEntries
from yoyaku.audit_log.usecases.store_checkpoints import ArchivedCheckpoints, StoreCheckpoints
from yoyaku.audit_log.usecases.tell_status import StatusPart
from yoyaku.audit_log.usecases.verify_segment import VerifySegment
from yoyaku.audit_log.usecases.write_segment import WriteSegment
from yoyaku.audit_log.wiring.secrets import Secrets
from yoyaku.audit_log.wiring.term import LeaderWork, Term
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEAL_V1,
    RPC_AUDIT_LOG_SEGMENTS_V1,
    AuditLogSealRequest,
    AuditLogSegmentsRequest,
)
from yoyaku.lifecycle.configuration import EXIT_NOT_CONFIGURED
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.rpc import serve
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.tlog.keys import VerifierKey

SEALER: Final = "audit-log-sealer"
"""How the sealer's connection is named in the database."""


@dataclass(frozen=True, slots=True)
class Months:
    """What the service runs for its sealed months. Without an archive nothing is sealed, and nothing was."""

    entries: SealedEntries
    works: Sequence[LeaderWork] = field(default_factory=tuple)
    sources: Sequence[CheckpointSource] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: AuditLogSettings
    pool: Pool
    sealer: Pool
    outbox: Outbox
    archive: ObjectStoreArchive
    cache: FolderCache
    rounds: Rounds
    now: Callable[[], datetime]

    def of(self, term: Term) -> TermOfSealing:
        """Make the use cases of one term."""
        settings = self.settings
        needs_cosignature = _has_witness(settings)
        reads, trees, index_files = PostgresSealingReads(self.pool), PostgresTree(self.pool), SqliteIndexFiles()
        writes = PostgresSealingWrites(self.pool, self.outbox, term.lease)
        dropper = PostgresPartitionDropper(self.sealer)
        verify = VerifySegment(trees, self.archive, self.cache, index_files)
        reports = PostgresDamageReports(self.pool, self.outbox)
        seal = SealMonths(
            reads=reads,
            writes=writes,
            dropper=dropper,
            trees=trees,
            write=WriteSegment(reads, trees, self.archive, index_files),
            verify=verify,
            needs_cosignature=needs_cosignature,
            now=self.now,
        )
        delete = DeleteSegments(
            reads,
            writes,
            dropper,
            self.archive,
            retention_years=settings.retention_years,
            needs_cosignature=needs_cosignature,
            now=self.now,
        )
        store = StoreCheckpoints(reads, self.archive, settings.environment)
        inspect = InspectArchive(reads, verify, reports)
        return TermOfSealing(seal, delete, inspect, store, reports, partial(_keep_checkpoint, term))

    async def seal(self, term: Term, ended: asyncio.Event) -> None:
        """Keep sealing while leading."""
        await self.rounds.keep_sealing(self.of(term), ended)

    async def store_checkpoints(self, term: Term, ended: asyncio.Event) -> None:
        """Keep the archive's checkpoints up while leading."""
        await self.rounds.keep_checkpoints(self.of(term), ended)


async def _keep_checkpoint(term: Term) -> None:
    if term.may_sign.is_set():
        await term.sign(keep=True)


@asynccontextmanager
async def months_of(  # noqa: PLR0917  each is a part of the service
    settings: AuditLogSettings,
    secrets: Secrets,
    pool: Pool,
    outbox: Outbox,
    broker: ServiceBroker,
    rounds: Rounds,
    *,
    digest: Callable[[str], bytes],
    now: Callable[[], datetime],
) -> AsyncIterator[Months]:
    """Open the archive, and answer the questions about it. Raises ArchiveUrlError, PostgresError."""
    reads = PostgresSealingReads(pool)
    serve(broker, RPC_AUDIT_LOG_SEAL_V1, AuditLogSealRequest, OnSeal(rounds))
    serve(broker, RPC_AUDIT_LOG_SEGMENTS_V1, AuditLogSegmentsRequest, OnSegments(reads))
    if settings.object_store_url is None:
        yield Months(NothingSealed())
        return
    archive = open_archive(settings.object_store_url)
    async with AsyncExitStack() as stack:
        folder = settings.archive_cache_dir
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audit-archive-")))
        cache = FolderCache(archive, folder, settings.archive_cache_bytes)
        few = settings.sealer_database.model_copy(update={"pool_min": 0, "pool_max": 2})
        sealer = await stack.enter_async_context(connected_pool(few, application_name=SEALER))
        parts = _Parts(settings, pool, sealer, outbox, archive, cache, rounds, now)
        reader = ReadSealed(reads, archive, cache, SqliteIndexFiles())
        entries = ArchiveEntries(reader, PostgresSealedKeys(pool, digest), PostgresDamageReports(pool, outbox))
        source = KeptInArchive(
            ArchivedCheckpoints(archive, settings.environment),
            partial(_log_keys, secrets),
            is_awaited=not _has_witness(settings),
        )
        yield Months(entries, [parts.seal, parts.store_checkpoints], [source])


def sealing_part(settings: AuditLogSettings, pool: Pool) -> StatusPart:
    """Give what the status tells about sealed months."""
    reads = PostgresSealingReads(pool)

    async def part() -> dict[str, Any]:
        segments = await reads.segments()
        alive = [segment for segment in segments if segment.deleted_at is None]
        return {
            "has_archive": settings.object_store_url is not None,
            "sealed_months": len(alive),
            "deleted_months": len(segments) - len(alive),
            "sealed_end": sealed_end(segments),
            "deleted_end": deleted_end(segments),
            "newest_sealed_month": str(alive[-1].month) if alive else None,
            "stored_bytes": sum(segment.stored_bytes for segment in alive),
        }

    return part


def _log_keys(secrets: Secrets, origin: str) -> list[VerifierKey]:
    return [key.verifier for key in secrets.signing.of(origin)]


def _has_witness(settings: AuditLogSettings) -> bool:
    return settings.witness_public_keys_file is not None or bool(settings.outside_witnesses)


def check_archive(settings: AuditLogSettings) -> None:
    """See that the setting of the archive can be used; else one line on standard error, and SystemExit(2)."""
    try:
        if settings.object_store_url is not None:
            open_archive(settings.object_store_url)
    except ArchiveUrlError as error:
        sys.stderr.write(f"error: AUDIT_LOG_OBJECT_STORE_URL: {error}\n")
        raise SystemExit(EXIT_NOT_CONFIGURED) from None
