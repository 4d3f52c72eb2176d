"""Sealing in a real database: who may drop what, and what is refused."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.archived_checkpoints import KeptInArchive
from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.usecases.sealing_ports import MonthNotSealedError
from yoyaku.audit_log.usecases.store_checkpoints import ArchivedCheckpoints, StoreCheckpoints
from yoyaku.contracts.audit_v1 import SegmentDeleted, SegmentSealed
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.databases import Database
from yoyaku.testkit.faults import CrashedError, Faults
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.keys import SigningKey

JANUARY = Month(2027, 1)
LARGE = b'{"large":"' + b"x" * 70_000 + b'"}'


@pytest_asyncio.fixture
async def sealer(audit_database: Database) -> AsyncIterator[Pool]:
    async with connected_pool(audit_database.as_role("sealer"), application_name="test-sealer") as connected:
        yield connected


@pytest_asyncio.fixture
async def two_months(sealed_log: Any) -> Any:
    """Three entries in January, one of them with its body beside, two in February, one in March."""
    for month, count in enumerate((2, 2, 1)):
        await sealed_log.at(JANUARY.plus(month).begins_at + timedelta(days=3), count)
        if month == 0:
            await sealed_log.at(JANUARY.begins_at + timedelta(days=4), 1, body=LARGE)
        await sealed_log.keep_checkpoint()
    return sealed_log


async def partitions(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT relname FROM pg_class WHERE relname ~ '^audit_(entry|body)_20' AND relkind = 'r'")
    return sorted(row["relname"] for row in rows)


OF_THE_SEALER = (
    "DROP TABLE audit_entry_2027_01",
    "ALTER TABLE audit_entry DETACH PARTITION audit_entry_2027_01",
    "TRUNCATE audit_entry_2027_01",
    "DELETE FROM audit_entry",
    "DELETE FROM audit_client",
    "DELETE FROM audit_segment",
    "UPDATE audit_segment SET entry_count = 9",
    "INSERT INTO audit_segment_deleted (epoch, month, event_id, deleted_at) VALUES (1, '2027-01-01', 'x', now())",
    "INSERT INTO audit_segment SELECT 1, '2027-01-01', 0, 3, 3, sha256('x'), sha256('x'), 1, now()",
)
OF_THE_SERVICE = (
    "SELECT audit_drop_sealed_month('2027-01-01')",
    "SELECT audit_expire_clients(1, '2027-01-01')",
    "DROP TABLE audit_entry_2027_01",
    "DELETE FROM audit_segment",
    "UPDATE audit_segment SET entry_count = 9",
    "DELETE FROM audit_sealed_edge",
    "TRUNCATE audit_segment",
)


@pytest.mark.requirement("AU-05", "AU-06")
async def test_the_sealer_drops_what_is_sealed_and_the_ingest_role_nothing(two_months: Any, sealer: Pool) -> None:
    for role, statements in ((sealer, OF_THE_SEALER), (two_months.pool, OF_THE_SERVICE)):
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(statement)


async def test_the_owner_cannot_change_what_is_sealed_either(two_months: Any, audit_database: Database) -> None:
    await two_months.seal()()
    async with connected_pool(audit_database.owner, application_name="test-owner") as owner:
        for statement in ("DELETE FROM audit_segment", "UPDATE audit_sealed_edge SET position = 9"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
                await owner.execute(statement)


@pytest.mark.requirement("AU-06")
async def test_a_month_is_dropped_only_when_every_entry_and_body_of_it_is_sealed(two_months: Any) -> None:
    before = await partitions(two_months.pool)
    for month in (JANUARY, JANUARY.plus(1)):
        with pytest.raises(MonthNotSealedError, match="not sealed"):
            await two_months.dropper.drop(month)
    with pytest.raises(MonthNotSealedError, match="may still get entries"):
        await two_months.dropper.drop(JANUARY.plus(2))
    assert await partitions(two_months.pool) == before
    # The month in which the test runs is empty, and goes first.
    crashes_before_the_drop = two_months.seal()
    crashes_before_the_drop._dropper = Faults(1).wrap(two_months.dropper)
    with pytest.raises(CrashedError):
        await crashes_before_the_drop(JANUARY)
    # Something that is in no segment has come into the partition, however it did.
    owner = two_months.pool
    await owner.execute(
        "INSERT INTO audit_body (position, recorded_at, sha256, content) VALUES (77, $1, $2, 'x')",
        JANUARY.begins_at,
        bytes(32),
    )
    with pytest.raises(MonthNotSealedError, match="1 entries or bodies"):
        await two_months.dropper.drop(JANUARY)
    assert {"audit_entry_2027_01", "audit_body_2027_01"} <= set(await partitions(two_months.pool))


@pytest.mark.requirement("AU-06")
async def test_sealing_drops_the_month_tells_the_fact_and_leaves_what_is_needed(two_months: Any) -> None:
    leaves = await two_months.pool.fetch("SELECT leaf FROM audit_entry ORDER BY position")
    done = await two_months.seal()()
    assert [str(one.month) for one in done.sealed] == ["2027-01", "2027-02"]
    assert await partitions(two_months.pool) == ["audit_body_2027_03", "audit_entry_2027_03"]
    assert [one.leaf for one in await two_months.reader().leaves(0, 9)] == [row["leaf"] for row in leaves[:5]]
    (digest,) = await two_months.pool.fetch("SELECT sha256 FROM audit_sealed_body")
    assert len(await two_months.reader().body(digest["sha256"])) > len(LARGE)
    told = await two_months.pool.fetch("SELECT type, body FROM outbox_event ORDER BY created_at")
    assert [row["type"] for row in told] == [SegmentSealed.TYPE] * 2
    fact = SegmentSealed.model_validate_json(told[0]["body"])
    assert (fact.month, fact.first_position, fact.entry_count, fact.size) == ("2027-01", 0, 3, 3)
    assert fact.root_sha256 == (await two_months.tree.root(1, 3)).hex()
    # A new term finds its right edge, although the entries are gone, and goes on.
    await two_months.begin_again()
    await two_months.at(JANUARY.plus(2).begins_at + timedelta(days=5), 300)
    await two_months.keep_checkpoint()
    found = await two_months.tree.inclusion_proof(1, 4, 306)
    assert len(found) > 0
    assert not (await two_months.seal()()).sealed


async def test_segments_follow_each_other_in_the_database_too(two_months: Any) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the next one to be sealed is 0"):
        await two_months.pool.execute(
            "INSERT INTO audit_segment SELECT 1, '2027-02-01'::date, 3, 2, 5, sha256('x'), sha256('x'), 1, now()"
        )


@pytest.mark.requirement("AU-06")
async def test_a_fenced_off_leader_records_no_segment(
    two_months: Any, held_lease: Callable[..., Any], pool: Pool
) -> None:
    await pool.execute("UPDATE leadership SET expires_at = '-infinity'")
    async with held_lease(pool):
        with pytest.raises(LeadershipLostError):
            await two_months.seal()()
    assert not await two_months.reads.segments()
    assert len(await partitions(pool)) == 6


async def test_an_empty_month_is_dropped_without_a_segment(sealed_log: Any) -> None:
    await sealed_log.pool.execute("SELECT audit_make_partition($1)", JANUARY.begins_at)
    await sealed_log.at(JANUARY.plus(1).begins_at + timedelta(days=2), 1)
    done = await sealed_log.seal()()
    assert (done.sealed, str(done.dropped[-1])) == ([], "2027-01")


async def test_a_reader_holds_a_month_back_for_a_while_and_no_longer(two_months: Any) -> None:
    async with two_months.pool.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT count(*) FROM audit_entry")
        done = await two_months.seal()(JANUARY)
        assert done.dropped == []
        assert "in use" in done.waiting[0]
    assert JANUARY in (await two_months.seal()(JANUARY)).dropped


@pytest.mark.requirement("AU-06")
async def test_deleting_needs_the_fact_as_an_entry_and_takes_the_digests_of_addresses_along(two_months: Any) -> None:
    pool = two_months.pool
    assert await pool.fetchval("SELECT min(position) FROM audit_client") == 0
    await two_months.seal()()
    await two_months.take_in_what_was_told()
    await two_months.at(JANUARY.plus(84).ends_at, 1)
    await two_months.keep_checkpoint()
    done = await two_months.delete()()
    assert ([str(one.month) for one in done.recorded], done.expunged) == (["2027-01"], [])
    assert await two_months.take_in_what_was_told() == 1
    assert (await two_months.delete()()).expunged == []
    await two_months.keep_checkpoint()
    assert [str(one.month) for one in (await two_months.delete()()).expunged] == ["2027-01"]
    assert await pool.fetchval("SELECT min(position) FROM audit_client") == 3
    body = await pool.fetchval("SELECT body FROM outbox_event WHERE type = $1", SegmentDeleted.TYPE)
    fact = SegmentDeleted.model_validate_json(body)
    assert (fact.month, fact.first_position, fact.entry_count) == ("2027-01", 0, 3)
    digest = await pool.fetchval("SELECT sha256 FROM audit_sealed_body")
    assert await two_months.reader().body(digest) is None


@pytest.mark.requirement("AU-02")
async def test_kept_checkpoints_stand_in_the_archive_for_a_database_that_went_back(two_months: Any) -> None:
    store = StoreCheckpoints(two_months.reads, two_months.archive, "test")
    assert await store() == 6
    assert await store() == 0
    archived = ArchivedCheckpoints(two_months.archive, "test")
    found = [one async for one in archived.newest_first(1)]
    sizes = [(6, True), (6, False), (5, True), (5, False), (3, True), (3, False)]
    assert [(one.size, one.is_cosigned) for one in found] == sizes
    assert "witness.yoyaku/test" in found[0].note
    source = KeptInArchive(archived, lambda origin: [two_months.key.verifier], is_awaited=True)
    newest = await source.newest("audit.yoyaku/test/1", 3)
    assert newest is not None
    assert (newest.epoch, newest.size, newest.root) == (1, 6, await two_months.tree.root(1, 6))
    assert await source.newest("audit.yoyaku/test/2", -1) is None
    assert await source.newest("audit.yoyaku/test/1", 6) is None
    # What no key of the log signed says nothing about the log.
    stranger = SigningKey("audit.yoyaku/test/1", bytes(range(32)))
    forged = Checkpoint("audit.yoyaku/test/1", 99, bytes(32)).sign([stranger]).encode()
    await two_months.archive.put_once("audit.yoyaku/test/checkpoints/000001/00000000000000000099", forged)
    assert await source.newest("audit.yoyaku/test/1", 3) == newest
    # A crash before it was noted, and other cosignatures since: the one that is there is as good.
    await two_months.pool.execute(
        "INSERT INTO audit_checkpoint SELECT 1, 9, root, note, signed_at FROM audit_checkpoint WHERE size = 6"
    )
    await two_months.archive.put_once(
        "audit.yoyaku/test/checkpoints/000001/00000000000000000009", found[0].note.encode()
    )
    assert await store() == 1
