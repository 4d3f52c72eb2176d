"""What is kept of witnesses, on a real database in the service's own role."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.postgres.cosignatures import PostgresCosignatures, witness_id
from yoyaku.audit_log.usecases.witness_ports import Refusal, SignedCheckpoint
from yoyaku.contracts.audit_v1 import CheckpointCosigned, IntegrityViolated
from yoyaku.contracts.registry import decode
from yoyaku.messaging.leadership import LeadershipLostError, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.tlog.checkpoint import Checkpoint, open_checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey
from yoyaku.tlog.note import Signature, parse_note

pytestmark = pytest.mark.requirement("AU-02")

ORIGIN = "audit.yoyaku/test/1"
LOG = SigningKey(ORIGIN, b"\x01" * 32)
INNER = [SigningKey("witness.yoyaku/test", bytes([seed]) * 32, Algorithm.COSIGNATURE_V1) for seed in (2, 3)]
OUTSIDE = SigningKey("witness.example/w1", b"\x04" * 32, Algorithm.COSIGNATURE_V1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def signed(size: int) -> SignedCheckpoint:
    root = bytes([size]) * 32
    return SignedCheckpoint(1, ORIGIN, size, root, Checkpoint(ORIGIN, size, root).sign([LOG]).encode().decode())


def lines(size: int, keys: list[SigningKey], at: datetime = NOON) -> list[Signature]:
    return [cosign(parse_note(signed(size).note).text, key, int(at.timestamp())) for key in keys]


async def sign(pool: Pool, size: int, *, kept: bool = False) -> None:
    """Sign as the log does."""
    one = signed(size)
    await pool.execute(
        "INSERT INTO audit_checkpoint_latest (epoch, size, root, note, signed_at) VALUES (1, $1, $2, $3, now())"
        " ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note",
        one.size,
        one.root,
        one.note,
    )
    if kept:
        await pool.execute("INSERT INTO audit_checkpoint VALUES (1, $1, $2, $3, now())", one.size, one.root, one.note)


@pytest_asyncio.fixture(loop_scope="session")
async def records(pool: Pool, outbox: Outbox, held_lease: Any) -> AsyncIterator[PostgresCosignatures]:
    await pool.execute("INSERT INTO audit_epoch VALUES (1, $1, 0, now()) ON CONFLICT DO NOTHING", ORIGIN)
    async with held_lease(pool) as lease:
        yield PostgresCosignatures(pool, outbox, lease)


async def told(pool: Pool) -> list[Any]:
    rows = await pool.fetch("SELECT type, body FROM outbox_event ORDER BY shard, number")
    return [decode(row["type"], row["body"]) for row in rows]


async def test_lines_of_several_witnesses_meet_in_the_newest_and_stay_with_the_kept(
    pool: Pool, records: PostgresCosignatures
) -> None:
    assert await records.newest() is None
    await sign(pool, 10, kept=True)
    assert await records.newest() == signed(10)
    await records.add(signed(10), lines(10, INNER), NOON, sets_newest=True)
    await records.add(signed(10), lines(10, [OUTSIDE]), NOON + timedelta(seconds=1), sets_newest=False)
    await records.add(
        signed(10), lines(10, INNER, NOON + timedelta(minutes=1)), NOON + timedelta(minutes=1), sets_newest=True
    )
    note = await pool.fetchval("SELECT cosigned_note FROM audit_checkpoint_latest")
    witnesses = [key.verifier for key in (*INNER, OUTSIDE)]
    opened = open_checkpoint(note, origin=ORIGIN, log_keys=[LOG.verifier], witness_keys=witnesses)
    assert len(opened.cosignatures) == len(opened.note.signatures) - 1 == 3
    rows = await pool.fetch("SELECT witness, line, cosigned_at FROM audit_cosignature ORDER BY witness")
    assert {row["witness"] for row in rows} == {witness_id(key) for key in witnesses}
    assert {row["cosigned_at"] for row in rows} == {NOON, NOON + timedelta(seconds=1)}
    kept = signed(10).note + "".join(row["line"] for row in rows)
    open_checkpoint(kept, origin=ORIGIN, log_keys=[LOG.verifier], witness_keys=witnesses)
    events = await told(pool)
    assert all(isinstance(event, CheckpointCosigned) for event in events)
    assert [(event.witness, event.size) for event in events] == [
        ("witness.yoyaku/test", 10),
        ("witness.example/w1", 10),
    ]


async def test_what_is_not_kept_is_not_told_and_what_is_older_changes_nothing(
    pool: Pool, records: PostgresCosignatures
) -> None:
    await sign(pool, 10, kept=True)
    await sign(pool, 12)
    await records.add(signed(12), lines(12, INNER), NOON, sets_newest=True)
    assert await pool.fetchval("SELECT cosigned_size FROM audit_checkpoint_latest") == 12
    assert not await told(pool)
    await sign(pool, 13)
    await records.add(signed(13), lines(13, [OUTSIDE]), NOON, sets_newest=False)
    assert await pool.fetchval("SELECT cosigned_size FROM audit_checkpoint_latest") == 12
    keys = [key.verifier for key in INNER]
    assert await records.kept_without(1, keys, 0, 9) == [signed(10)]
    assert await records.kept_without(1, keys, 11, 9) == []
    await records.add(signed(10), lines(10, INNER[:1]), NOON, sets_newest=True)
    assert await records.kept_without(1, keys, 0, 9) == []
    assert await records.kept_without(1, [OUTSIDE.verifier], 0, 9) == [signed(10)]
    assert await records.last_cosigned_size(1, keys) == 10
    assert await records.last_cosigned_size(1, [OUTSIDE.verifier]) == 0
    assert await pool.fetchval("SELECT cosigned_size FROM audit_checkpoint_latest") == 12
    assert len(await told(pool)) == 1


async def test_a_line_over_another_tree_is_not_kept_beside_the_checkpoint(
    pool: Pool, records: PostgresCosignatures
) -> None:
    await sign(pool, 10, kept=True)
    other = SignedCheckpoint(
        1, ORIGIN, 10, b"\xff" * 32, Checkpoint(ORIGIN, 10, b"\xff" * 32).sign([LOG]).encode().decode()
    )
    await records.add(other, [cosign(parse_note(other.note).text, OUTSIDE, 1)], NOON, sets_newest=True)
    assert await pool.fetchval("SELECT count(*) FROM audit_cosignature") == 0


async def test_a_refusal_is_told_once_for_what_the_witness_holds(pool: Pool, records: PostgresCosignatures) -> None:
    await sign(pool, 10)
    await records.add(signed(10), lines(10, INNER), NOON, sets_newest=True)
    refusal = Refusal(signed(12), "witness.yoyaku/test", 10, "422 no")
    assert await records.refused(refusal)
    assert not await records.refused(refusal)
    assert not await records.refused(Refusal(signed(14), "witness.yoyaku/test", 10, "422 no"))
    assert await records.refused(Refusal(signed(14), OUTSIDE.name, 11, "409 no"))
    first, second = await told(pool)
    assert isinstance(first, IntegrityViolated)
    assert (first.kind, first.source, first.number) == ("checkpoint_refused", ORIGIN, 12)
    assert (first.expected_sha256, first.found_sha256) == ("0a" * 32, "0c" * 32)
    assert first.detail == "witness.yoyaku/test holds a tree of size 10: 422 no"
    assert (second.expected_sha256, second.number) == ("00" * 32, 14)


async def test_only_the_leader_keeps_anything(pool: Pool, outbox: Outbox, records: PostgresCosignatures) -> None:
    await sign(pool, 10, kept=True)
    former = PostgresCosignatures(pool, outbox, Lease("sequencer", 0, "former"))
    with pytest.raises(LeadershipLostError):
        await former.add(signed(10), lines(10, INNER), NOON, sets_newest=True)
    with pytest.raises(LeadershipLostError):
        await former.refused(Refusal(signed(10), "w", 3, "no"))
    assert await pool.fetchval("SELECT cosigned_size FROM audit_checkpoint_latest") is None
    assert await pool.fetchval("SELECT count(*) FROM audit_contradiction") == 0
