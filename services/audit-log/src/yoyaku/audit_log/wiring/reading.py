"""Puts together everything that reads the log: any replica answers, the leader and those that stand by.

The archive of sealed months is plugged in here, as `sealed`.
"""

import asyncio
from typing import Final

from yoyaku.audit_log.adapters.postgres.entries import AddressDigests, PostgresEntries
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.adapters.postgres.published import PostgresPublished
from yoyaku.audit_log.adapters.postgres.reads import PostgresReads
from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.entrypoints.rpc.files import OnFile
from yoyaku.audit_log.entrypoints.rpc.proofs import OnCheckpoint, OnConsistency, OnShow
from yoyaku.audit_log.entrypoints.rpc.search import OnSearch
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.prove_consistency import ProveConsistency, ReadCheckpoint
from yoyaku.audit_log.usecases.read_file import ReadFile
from yoyaku.audit_log.usecases.reader_ports import SealedEntries, Unsealer
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.audit_log.usecases.show_entries import ShowEntries
from yoyaku.audit_log.usecases.show_entry import ShowEntry
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_SEARCH_V1,
    RPC_AUDIT_LOG_SHOW_V1,
    AuditLogCheckpointRequest,
    AuditLogConsistencyRequest,
    AuditLogFileRequest,
    AuditLogSearchRequest,
    AuditLogShowRequest,
)
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.rpc import serve
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool

KEEP_UP_SECONDS: Final = 30.0


def answer_readers(
    broker: ServiceBroker,
    pool: Pool,
    outbox: Outbox,
    *,
    sealed: SealedEntries,
    unsealer: Unsealer,
    digest: AddressDigests,
) -> OccurredBlocks:
    """Answer every question about entries, proofs and files, once the broker is started.

    Returns what `keep_up` keeps up.
    """
    blocks = OccurredBlocks()
    entries = EveryEntry(PostgresEntries(pool, digest, blocks), sealed)
    show = ShowEntries(unsealer)
    reads = PostgresReads(pool, outbox)
    published = PostgresPublished(pool)
    tree = PostgresTree(pool)
    serve(broker, RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchRequest, OnSearch(SearchEntries(entries, show, reads)))
    show_entry = ShowEntry(entries, show, reads, published, tree)
    serve(broker, RPC_AUDIT_LOG_SHOW_V1, AuditLogShowRequest, OnShow(show_entry))
    serve(broker, RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest, OnCheckpoint(ReadCheckpoint(published)))
    consistency = OnConsistency(ProveConsistency(published, tree))
    serve(broker, RPC_AUDIT_LOG_CONSISTENCY_V1, AuditLogConsistencyRequest, consistency)
    serve(broker, RPC_AUDIT_LOG_FILE_V1, AuditLogFileRequest, OnFile(ReadFile(entries, reads, published, tree)))
    return blocks


async def keep_up(blocks: OccurredBlocks, pool: Pool, stop: asyncio.Event) -> None:
    """Learn the times of facts as the log grows, so that no search has to."""
    database = Condition(away="searches by time wait for the database", back="searches by time are quick again")
    while not stop.is_set():
        pause_seconds = KEEP_UP_SECONDS
        try:
            await blocks.keep_up(pool)
        except PostgresError as error:
            pause_seconds = database.is_away(str(error))
        else:
            database.is_back()
        await set_within(stop, pause_seconds)
