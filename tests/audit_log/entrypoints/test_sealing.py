"""Months leave a real service: a process that is killed while it seals, and one that finishes what it began."""

import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from yoyaku.audit_log.adapters.index_files import SqliteIndexFiles
from yoyaku.audit_log.adapters.object_store.archive import open_archive
from yoyaku.audit_log.adapters.object_store.cache import FolderCache
from yoyaku.audit_log.adapters.postgres.sealing_reads import PostgresSealingReads
from yoyaku.audit_log.usecases.read_sealed import ReadSealed
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEAL_V1,
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SEGMENTS_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    AuditLogSealReply,
    AuditLogSealRequest,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    AuditLogSegmentsReply,
    AuditLogSegmentsRequest,
    AuditLogShowReply,
    AuditLogShowRequest,
)
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.rpc import request
from yoyaku.messaging.topology import OPERATOR
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.replicas import Replica

JANUARY = datetime(2027, 1, 10, tzinfo=UTC)
COUNT = 2_000


async def a_closed_month(pool: Pool, log_of: Any, held_lease: Any, begun: Any, fact: Any) -> list[bytes]:
    async with held_lease(pool) as lease:
        record = await begun(log_of(lease))
        for moment, numbers in ((JANUARY, range(COUNT)), (JANUARY + timedelta(days=40), range(COUNT, COUNT + 3))):
            await pool.execute("UPDATE audit_head SET last_recorded_at = $1", moment)
            await record([fact(number, client_address=None) for number in numbers])
    rows = await pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")
    return [row["leaf"] for row in rows]


@pytest.mark.requirement("AU-06")
async def test_a_service_killed_while_it_seals_is_finished_by_the_next_one(
    pool: Pool,
    log_of: Any,
    held_lease: Any,
    begun: Any,
    fact: Any,
    bus: Bus,
    start_replica: Callable[..., Replica],
    tmp_path: Path,
    eventually: Callable[..., Awaitable[Any]],
) -> None:
    leaves = await a_closed_month(pool, log_of, held_lease, begun, fact)
    folder = tmp_path / "archive"
    killed = start_replica(ENVIRONMENT="test")
    bundles = folder / "audit.yoyaku" / "test" / "1" / "tile" / "entries"

    async def writes() -> bool:
        return bundles.exists()

    await eventually(writes, within_seconds=60)
    killed.send(signal.SIGKILL)
    reads = PostgresSealingReads(pool)
    start_replica(ENVIRONMENT="test")

    async def sealed() -> bool:
        return bool(await reads.segments()) and "2027-01" not in map(str, await reads.partitions())

    await eventually(sealed, within_seconds=60)
    assert killed.process.poll() is not None
    reader = ReadSealed(
        reads,
        open_archive(folder.as_uri()),
        FolderCache(open_archive(folder.as_uri()), tmp_path / "cache", 10**8),
        SqliteIndexFiles(),
    )
    assert [one.leaf for one in await reader.leaves(0, COUNT)] == leaves[:COUNT]
    broker = make_broker(bus.settings_for(OPERATOR), service=OPERATOR)
    try:
        await start_broker(broker)
        # Sealed entries are found and proven as the hot ones are.
        question = AuditLogSearchRequest(requested_by=OPERATOR, after_position=COUNT - 3, limit=4)
        found = await request(broker, RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)
        assert [entry.position for entry in found.entries] == [COUNT - 2, COUNT - 1, COUNT, COUNT + 1]
        one = AuditLogShowRequest(requested_by=OPERATOR, position=5)
        shown = await request(broker, RPC_AUDIT_LOG_SHOW_V1, one, AuditLogShowReply)
        assert shown.proof is not None
        assert shown.entry.subject == "room/5"
        listed = await request(broker, RPC_AUDIT_LOG_SEGMENTS_V1, AuditLogSegmentsRequest(), AuditLogSegmentsReply)
        assert [(one.month, one.first_position, one.entry_count) for one in listed.segments] == [("2027-01", 0, COUNT)]
        again = AuditLogSealRequest(requested_by=OPERATOR)
        done = await request(broker, RPC_AUDIT_LOG_SEAL_V1, again, AuditLogSealReply)
        assert (done.is_running, done.sealed, done.problem) == (False, (), None)
    finally:
        await broker.stop()
