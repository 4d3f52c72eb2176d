"""Completeness on a real database: numbers are found by keyset, gaps split, facts told once."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from yoyaku.audit_log.adapters.postgres import completeness
from yoyaku.audit_log.adapters.postgres.completeness import PostgresCompleteness
from yoyaku.audit_log.domain.completeness import GapReason, Resolution
from yoyaku.audit_log.domain.numbers import Interval, Numbers
from yoyaku.audit_log.usecases.completeness_ports import Range, Statement
from yoyaku.audit_log.wiring.service import LEADERSHIP
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.leases import held_lease

pytestmark = pytest.mark.requirement("AU-04")

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOURCE = "/booking/07"


def numbers(*intervals: tuple[int, int]) -> Numbers:
    return Numbers.of(intervals)


@pytest.fixture
async def book(pool: Pool, outbox: Outbox) -> AsyncIterator[PostgresCompleteness]:
    async with held_lease(pool, LEADERSHIP) as lease:
        yield PostgresCompleteness(pool, outbox, lease)


async def record(pool: Pool, values: Iterable[int], source: str = SOURCE) -> None:
    await pool.execute(
        "INSERT INTO audit_recorded (source, number, position, event_id, fact_digest) "
        "SELECT $1, number, coalesce((SELECT max(position) FROM audit_recorded), -1) + nth, $1 || number, "
        "decode(repeat('00', 32), 'hex') FROM unnest($2::bigint[]) WITH ORDINALITY AS given (number, nth)",
        source,
        list(values),
    )


async def told(pool: Pool) -> list[tuple[str, dict[str, Any]]]:
    rows = await pool.fetch("SELECT type, body FROM outbox_event ORDER BY created_at, number")
    return [(row["type"], json.loads(row["body"])) for row in rows]


async def rows_of_gaps(pool: Pool) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(
        "SELECT first_number, last_number, reason, asked_count, resolution FROM audit_gap ORDER BY first_number, gap_id"
    )
    return [tuple(row) for row in rows]


async def test_numbers_that_are_not_there_are_found_between_and_after_those_that_are(
    book: PostgresCompleteness, pool: Pool
) -> None:
    await record(pool, [1, 2, 5, 6, 9])
    await record(pool, range(1, 100), "/booking/08")
    await pool.execute("INSERT INTO audit_passed_over VALUES ($1, 3, 'audit.checkpoint.signed.v1', now())", SOURCE)
    await pool.execute(
        "INSERT INTO audit_contradiction (source, number, found_sha256, kind, position, type, headers, body, stream, "
        "stream_sequence, found_at) VALUES ($1, 8, '\\x00', 'event_id_reused', 1, 't', '', '', 'S', 1, now())",
        SOURCE,
    )
    whole, part, other, none = await book.examine(
        [Range(SOURCE, 0, 11), Range(SOURCE, 2, 5), Range("/booking/08", 0, 99), Range("/booking/09", 0, 2**63 - 2)]
    )
    assert (whole.missing, whole.to) == (numbers((4, 4), (7, 7), (10, 11)), 11)
    assert (part.missing, part.to) == (numbers((4, 4)), 5)
    assert (other.missing, other.to) == (numbers(), 99)
    assert (none.missing, none.to) == (numbers((1, 2**63 - 2)), 2**63 - 2)
    assert await book.examine([]) == []
    many = await book.examine([Range(f"/booking/{shard:02d}", 0, 9) for shard in range(40)])
    assert [shard for shard, one in enumerate(many) if one.missing != numbers((1, 9))] == [7, 8]


async def test_one_look_takes_a_bounded_part(
    book: PostgresCompleteness, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(pool, [*range(1, 21), *range(22, 40, 2)])
    monkeypatch.setattr(completeness, "NUMBERS_A_LOOK", 10)
    [first] = await book.examine([Range(SOURCE, 0, 100)])
    assert (first.missing, first.to) == (numbers(), 10)
    monkeypatch.setattr(completeness, "NUMBERS_A_LOOK", 100)
    monkeypatch.setattr(completeness, "PIECES_A_LOOK", 3)
    [second] = await book.examine([Range(SOURCE, 0, 100)])
    assert (second.missing, second.to) == (numbers((21, 21), (23, 23), (25, 25)), 25)


async def test_a_look_is_one_step_down_an_index_a_source(book: PostgresCompleteness, pool: Pool) -> None:
    await record(pool, range(1, 20_000))
    await pool.execute("SET enable_seqscan = on")
    plan = "\n".join(
        row[0]
        for row in await pool.fetch(
            "EXPLAIN (COSTS OFF) " + completeness._EXAMINE, [SOURCE], [19_990], [19_999], 50_000, 50
        )
    )
    assert "Seq Scan" not in plan
    assert plan.count("Index") >= 3


async def test_sources_are_told_with_the_highest_number_of_either_kind(book: PostgresCompleteness, pool: Pool) -> None:
    await record(pool, [1, 4])
    await pool.execute("INSERT INTO audit_passed_over VALUES ($1, 6, 'audit.checkpoint.signed.v1', now())", SOURCE)
    async with book.transaction() as transaction:
        await transaction.note_look({SOURCE: 1}, NOON, ["booking"])
    known, unknown = await book.sources([SOURCE, "/booking/08"])
    assert (known.checked_to, known.highest, known.stated_to) == (1, 6, 0)
    assert (unknown.checked_to, unknown.highest) == (0, 0)
    standing = await book.standing()
    assert (standing.looked_at, standing.unanswered, standing.stated_at) == (NOON, ["booking"], None)


async def test_a_gap_that_closes_in_the_middle_leaves_two_that_are_asked_for_at_once(
    book: PostgresCompleteness, pool: Pool
) -> None:
    async with book.transaction() as transaction:
        await transaction.open_gap(SOURCE, GapReason.MISSING, numbers((10, 20)), NOON)
    [gap] = await book.open_gaps()
    async with book.transaction() as transaction:
        await transaction.note_asked(gap, NOON)
        await transaction.close_gap(gap, numbers((12, 13), (15, 15)), Resolution.ARRIVED, NOON)
    assert await rows_of_gaps(pool) == [
        (10, 11, "missing", 0, None),
        (12, 13, "missing", 1, "arrived"),
        (14, 14, "missing", 0, None),
        (15, 15, "missing", 1, "arrived"),
        (16, 20, "missing", 0, None),
    ]
    assert [(gap.interval, gap.found_at) for gap in await book.open_gaps()] == [
        (Interval(10, 11), NOON), (Interval(14, 14), NOON), (Interval(16, 20), NOON),
    ]  # fmt: skip
    assert [(kind, body["first_number"], body["last_number"]) for kind, body in await told(pool)] == [
        ("audit.gap.found.v1", 10, 20), ("audit.gap.closed.v1", 12, 13), ("audit.gap.closed.v1", 15, 15),
    ]  # fmt: skip


async def test_what_is_lost_is_told_as_a_gap_of_its_own_and_the_rest_keeps_its_turn(
    book: PostgresCompleteness, pool: Pool
) -> None:
    async with book.transaction() as transaction:
        await transaction.open_gap(SOURCE, GapReason.UNSENT, numbers((10, 12)), NOON)
    [gap] = await book.open_gaps()
    async with book.transaction() as transaction:
        await transaction.note_asked(gap, NOON)
        await transaction.close_gap(gap, numbers((10, 10)), Resolution.LOST, NOON)
        await transaction.open_gap(SOURCE, GapReason.LOST_AT_SOURCE, numbers((10, 10)), NOON)
    assert await rows_of_gaps(pool) == [
        (10, 10, "unsent", 1, "lost"), (10, 10, "lost_at_source", 0, None), (11, 12, "unsent", 1, None),
    ]  # fmt: skip
    assert [(kind, body["reason"]) for kind, body in await told(pool)] == [
        ("audit.gap.found.v1", "unsent"), ("audit.gap.found.v1", "lost_at_source"),
    ]  # fmt: skip


async def test_a_statement_is_remembered_by_source(book: PostgresCompleteness, pool: Pool) -> None:
    async with book.transaction() as transaction:
        await transaction.note_look({SOURCE: 9, "/booking/08": 4}, NOON, [])
        await transaction.state(Statement({SOURCE: 7}, {SOURCE: 2}, 1), NOON, 40)
    [one, other] = await book.sources([SOURCE, "/booking/08"])
    assert (one.stated_to, one.stated_lost, other.stated_to) == (7, 2, 0)
    standing = await book.standing()
    assert (standing.stated_at, standing.stated_position) == (NOON, 40)
    assert await told(pool) == [
        ("audit.completeness.stated.v1", {"complete_to": {SOURCE: 7}, "lost": {SOURCE: 2}, "open_gaps": 1})
    ]


async def test_only_the_leader_writes(book: PostgresCompleteness, pool: Pool) -> None:
    await pool.execute("UPDATE leadership SET epoch = epoch + 1")
    with pytest.raises(LeadershipLostError):
        async with book.transaction() as transaction:
            await transaction.open_gap(SOURCE, GapReason.MISSING, numbers((1, 1)), NOON)
    assert await rows_of_gaps(pool) == []


@pytest.mark.parametrize("statement", ["DELETE FROM audit_gap", "TRUNCATE audit_source", "DELETE FROM audit_source"])
async def test_the_service_can_forget_no_gap(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def add_entry(pool: Pool, position: int, kind: str) -> None:
    await pool.execute("SELECT audit_make_partition(clock_timestamp())")
    await pool.execute(
        "INSERT INTO audit_entry (position, recorded_at, epoch, leaf, leaf_hash, source, number, type, stream, "
        "stream_sequence) "
        "VALUES ($1, clock_timestamp(), 1, '\\x00', decode(repeat('00', 32), 'hex'), 's', $1, $2, 'S', 1)",
        position,
        kind,
    )


async def test_the_logs_own_talk_is_no_movement(book: PostgresCompleteness, pool: Pool) -> None:
    talk: Sequence[str] = ("audit.log.read.v1", "audit.completeness.stated.v1")
    kinds = ["booking.room.created.v1", *talk, *talk]
    for position, kind in enumerate(kinds):
        await add_entry(pool, position, kind)
    before = datetime.now(UTC) - timedelta(hours=1)
    assert await book.has_moved(0, None, talk)
    assert not await book.has_moved(1, before, talk)
    await add_entry(pool, 5, "audit.gap.found.v1")
    assert await book.has_moved(1, before, talk)
    assert not await book.has_moved(6, before, talk)
