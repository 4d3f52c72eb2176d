"""Entries written straight into the tables, as the sequencer leaves them: any times of recording, any epoch."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
import pytest_asyncio

from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.leaf import Sealing, leaf_of
from yoyaku.audit_log.domain.result import result_of
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
COLUMNS = (
    *("position", "recorded_at", "epoch", "leaf", "leaf_hash", "event_id", "source", "number", "type"),
    *("occurred_at", "actor", "subject", "correlation_id", "result", "stream", "stream_sequence"),
)
Recorded = Callable[..., Awaitable[list[bytes]]]


def digest_of(address: str) -> bytes:
    return sha256(f"key {address}".encode()).digest()[:16]


@pytest.fixture(name="digest_of")
def digest_of_fixture() -> Callable[[str], bytes]:
    """The keyed digest under which `recorded` keeps addresses."""
    return digest_of


@pytest_asyncio.fixture
async def recorded(pool: Pool) -> Recorded:
    """`recorded(facts)` records them, a second apart; returns the leaves."""

    async def record(
        facts: Sequence[Fact],
        *,
        every: timedelta = timedelta(seconds=1),
        epoch: int = 1,
        sealing: Sealing | None = None,
    ) -> list[bytes]:
        async with transaction(pool) as connection:
            begin = await connection.fetchval("SELECT next_position FROM audit_head")
            rows, known, bodies, clients, leaves = [], [], [], [], []
            for position, fact in enumerate(facts, begin):
                at = BEGIN + position * every
                written = leaf_of(fact, position, at, sealing)
                leaves.append(written.leaf)
                await connection.execute("SELECT audit_make_partition($1)", at)
                found = (fact.event_id, fact.source, fact.number, fact.type, fact.occurred_at, fact.actor)
                result = None if fact.problem else result_of(fact.type)
                rows.append(
                    (
                        position,
                        at,
                        epoch,
                        written.leaf,
                        written.hash,
                        *found,
                        fact.subject,
                        fact.correlation_id,
                        result,
                        "BOOKING",
                        position + 1,
                    )
                )
                known.append((fact.source, fact.number, position, fact.event_id, fact.fact_sha256))
                if written.beside is not None:
                    bodies.append((position, at, sha256(written.beside).digest(), written.beside))
                if fact.client_address is not None:
                    clients.append((digest_of(fact.client_address), position, "client/1"))
            await connection.execute(
                "INSERT INTO audit_epoch VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                epoch,
                f"audit.yoyaku/test/{epoch}",
                begin,
                BEGIN,
            )
            await connection.copy_records_to_table("audit_entry", records=rows, columns=COLUMNS)
            columns = ("source", "number", "position", "event_id", "fact_digest")
            await connection.copy_records_to_table("audit_recorded", records=known, columns=columns)
            columns = ("position", "recorded_at", "sha256", "content")
            await connection.copy_records_to_table("audit_body", records=bodies, columns=columns)
            await connection.copy_records_to_table("audit_client", records=clients)
            end = begin + len(rows)
            await connection.execute("UPDATE audit_head SET next_position = $1, last_recorded_at = $2", end, at)
        return leaves

    return record
