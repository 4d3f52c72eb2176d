"""The tree and its checkpoints in PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.personal_keys import SubjectKeys
from yoyaku.audit_log.adapters.postgres.log import PostgresLog
from yoyaku.audit_log.domain.checkpoint import SignedCheckpoint
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.usecases.begin_term import BeginTerm
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.personal import Personal
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.sign_checkpoint import SignCheckpoint
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database
from yoyaku.testkit.rfc6962 import merkle_tree_hash
from yoyaku.tlog.keys import SigningKey

MakeFact = Callable[..., Fact]


def signer(log: PostgresLog, tree: GrowingTree) -> SignCheckpoint:
    return SignCheckpoint(log, tree, lambda origin: [SigningKey(origin, b"\x01" * 32)], timedelta(minutes=10))


async def term(log: PostgresLog) -> tuple[RecordFacts, SignCheckpoint]:
    tree = GrowingTree()
    await BeginTerm(log, tree, "test")()
    return RecordFacts(log, tree, Personal(lambda _: frozenset(), lambda _: bytes(16))), signer(log, tree)


async def naive_root(pool: Pool, size: int) -> bytes:
    rows = await pool.fetch("SELECT leaf FROM audit_entry WHERE position < $1 ORDER BY position", size)
    return merkle_tree_hash([row["leaf"] for row in rows])


@pytest.mark.requirement("AU-01", "AU-02")
async def test_the_tree_is_rebuilt_at_the_start_of_each_term(log: PostgresLog, pool: Pool, fact: MakeFact) -> None:
    number = 0
    for count in (0, 1, 254, 1, 1, 300, 600):
        record, sign = await term(log)
        if count:
            await record([fact(number + added) for added in range(count)])
        number += count
        await sign()
        row = await pool.fetchrow("SELECT size, root FROM audit_checkpoint_latest")
        assert row is not None
        assert (row["size"], row["root"]) == (number, await naive_root(pool, number))
    assert await pool.fetchval("SELECT count(*) FROM audit_tile") == number // 256
    facts = await pool.fetch("SELECT type, convert_from(body, 'UTF8')::jsonb ->> 'size' AS size FROM outbox_event")
    assert [tuple(row) for row in facts] == [("audit.checkpoint.signed.v1", "1")]


@pytest.mark.requirement("AU-02", "BC-06")
async def test_a_leader_that_was_fenced_off_publishes_no_checkpoint(
    pool: Pool,
    outbox: Outbox,
    fact: MakeFact,
    held_lease: Callable[..., Any],
    audit_database: Database,
    subject_keys: SubjectKeys,
) -> None:
    async with held_lease(pool) as old:
        record, sign = await term(PostgresLog(pool, outbox, old, subject_keys))
        await record([fact(1)])
        admin = await asyncpg.connect(**audit_database.admin.connect_arguments("test"))
        await admin.execute("UPDATE leadership SET expires_at = '-infinity'")
        await admin.close()
        async with held_lease(pool):
            with pytest.raises(LeadershipLostError):
                await sign(keep=True)
    assert await pool.fetchval("SELECT count(*) FROM audit_checkpoint_latest") == 0


@pytest.mark.parametrize(
    ("size", "root"), [(1, b"r" * 32), (2, b"other root, of the same size, ...")], ids=["smaller", "forked"]
)
@pytest.mark.requirement("AU-02", "AU-05")
async def test_the_database_refuses_a_checkpoint_that_goes_back_or_forks(
    log: PostgresLog, fact: MakeFact, size: int, root: bytes
) -> None:
    record, sign = await term(log)
    await record([fact(1), fact(2)])
    signed = await sign()
    assert signed is not None
    forged = SignedCheckpoint(signed.epoch, signed.origin, size, root[:32], signed.note, signed.signed_at)
    with pytest.raises(PostgresError):
        async with log.transaction() as transaction:
            await transaction.tree.publish(forged)


@pytest.mark.parametrize("table", ["audit_tile", "audit_checkpoint", "audit_epoch", "audit_body", "audit_passed_over"])
@pytest.mark.requirement("AU-05")
async def test_what_proves_the_log_cannot_be_changed_either(
    log: PostgresLog, fact: MakeFact, pool: Pool, audit_database: Database, table: str
) -> None:
    owner = await asyncpg.connect(**audit_database.owner.connect_arguments("test"))
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
        if statement.startswith("TRUNCATE"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute(statement)
    await owner.close()
