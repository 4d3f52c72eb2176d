"""The journal on a real database: atomic, fenced, idempotent, with no more rights than it needs."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from yoyaku.messaging.leadership import LeadershipLostError, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.adapters.postgres.blocks import PostgresBlocks
from yoyaku.security_detector.adapters.postgres.journal import PostgresJournal
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.usecases.expire_blocks import EVIDENCE_KEPT, ExpireBlocks, ForgetFailures
from yoyaku.security_detector.usecases.judge_failures import Judged, JudgeFailures

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
RULE = Rule(threshold=5, window=timedelta(seconds=60), block_for=timedelta(seconds=300))
ADDRESS = "203.0.113.9"


def failures(count: int, *, address: str = ADDRESS, at: datetime = NOW, prefix: str = "e") -> list[Failure]:
    return [
        Failure(f"{prefix}{number}", address, at - timedelta(seconds=count - 1 - number), f"c{number}")
        for number in range(count)
    ]


@pytest.fixture
async def journal(pool: Pool, outbox: Outbox, held_lease: Any) -> Any:
    async with held_lease(pool) as lease:
        yield PostgresJournal(pool, outbox, lease)


async def counted(pool: Pool) -> tuple[int, int, int, int]:
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM failed_sign_in), (SELECT count(*) FROM incident),"
        " (SELECT count(*) FROM block), (SELECT count(*) FROM outbox_event)"
    )
    assert row is not None
    return row[0], row[1], row[2], row[3]


@pytest.mark.requirement("SD-02", "EV-04")
async def test_one_transaction_keeps_evidence_incident_block_and_events(pool: Pool, journal: PostgresJournal) -> None:
    judge = JudgeFailures(journal, RULE)
    fifth = Failure("e9", ADDRESS, NOW, "c9")
    assert await judge(failures(4), NOW) == Judged(4, [], [])
    (block,) = (await judge([*failures(4), fifth], NOW)).blocks
    assert await counted(pool) == (5, 1, 1, 2)
    assert block.until == NOW + RULE.block_for
    assert await PostgresBlocks(pool).in_force(NOW) == [block]
    assert await PostgresBlocks(pool).in_force(block.until) == []
    settled = await pool.fetchval("SELECT count(*) FROM failed_sign_in WHERE incident_id = $1", block.incident_id)
    assert settled == 5


@pytest.mark.requirement("SD-02", "EV-04")
async def test_what_fails_on_the_way_leaves_nothing(
    pool: Pool, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settle(*_: object) -> None:
        raise RuntimeError("on the way")

    judge = JudgeFailures(journal, RULE)
    with monkeypatch.context() as patched:
        patched.setattr("yoyaku.security_detector.adapters.postgres.journal.PostgresJournalTransaction.settle", settle)
        with pytest.raises(RuntimeError, match="on the way"):
            await judge(failures(5), NOW)
    assert await counted(pool) == (0, 0, 0, 0)
    assert len((await judge(failures(5), NOW)).blocks) == 1


@pytest.mark.requirement("SD-02")
async def test_any_order_duplicates_and_batches_give_one_incident_an_address(
    pool: Pool, journal: PostgresJournal
) -> None:
    judge = JudgeFailures(journal, RULE)
    chance = random.Random(20261123)
    delivered = [
        one for number in range(10) for one in failures(6, address=f"203.0.113.{number}", prefix=f"e{number}-") * 3
    ]
    chance.shuffle(delivered)
    while delivered:
        size = chance.randint(1, 12)
        batch, delivered = delivered[:size], delivered[size:]
        await judge(batch, NOW)
    assert await counted(pool) == (60, 10, 10, 20)
    assert await pool.fetchval("SELECT count(*) FROM failed_sign_in WHERE incident_id IS NULL") == 0


@pytest.mark.requirement("EV-07")
async def test_decision_and_events_are_in_the_trace_of_the_deciding_failure(
    pool: Pool, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "TRACER", provider.get_tracer("test"))
    trace_id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    *others, deciding = failures(5)
    traced = [*others, replace(deciding, traceparent=f"00-{trace_id}-{parent}-01")]
    (block,) = (await JudgeFailures(journal, RULE)(traced, NOW)).blocks
    (span,) = spans.get_finished_spans()
    assert span.name == telemetry.IMPOSE_SPAN
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}/{span.parent.span_id:016x}" == f"{trace_id}/{parent}"
    assert span.attributes is not None
    assert span.attributes[telemetry.INCIDENT_ATTRIBUTE] == block.incident_id
    inside = f"00-{trace_id}-{span.context.span_id:016x}-01"
    assert block.traceparent == inside
    assert {row[0] for row in await pool.fetch("SELECT traceparent FROM outbox_event")} == {inside}


@pytest.mark.requirement("SD-03")
async def test_no_second_incident_while_the_block_lasts_and_one_after(pool: Pool, journal: PostgresJournal) -> None:
    judge = JudgeFailures(journal, RULE)
    await judge(failures(5), NOW)
    during = NOW + timedelta(seconds=200)
    assert await judge(failures(9, at=during, prefix="f"), during) == Judged(9, [], [])
    after = NOW + timedelta(seconds=310)
    (again,) = (await judge(failures(5, at=after, prefix="g"), after)).blocks
    assert again.until == after + RULE.block_for
    ended = await pool.fetchval("SELECT count(*) FROM block WHERE expired_at IS NOT NULL")
    assert (await counted(pool))[1:] == (2, 2, 5)
    assert ended == 1


@pytest.mark.requirement("SD-03")
async def test_a_clock_that_is_ahead_blocks_no_longer(pool: Pool, journal: PostgresJournal) -> None:
    ahead = [replace(one, occurred_at=NOW + timedelta(days=365 * 70)) for one in failures(5)]
    (block,) = (await JudgeFailures(journal, RULE)(ahead, NOW)).blocks
    assert block.until == NOW + RULE.block_for


@pytest.mark.requirement("SD-02", "SD-03")
async def test_a_lost_lease_commits_nothing(pool: Pool, outbox: Outbox, held_lease: Any) -> None:
    async with held_lease(pool) as lease:
        stale = PostgresJournal(pool, outbox, Lease(lease.name, lease.epoch - 1, lease.holder))
        for work in (
            JudgeFailures(stale, RULE)(failures(5), NOW),
            ExpireBlocks(stale)(NOW),
            ForgetFailures(stale)(NOW),
        ):
            with pytest.raises(LeadershipLostError):
                await work
    assert await counted(pool) == (0, 0, 0, 0)


@pytest.mark.requirement("SD-03")
async def test_a_block_expires_once_by_the_given_clock(pool: Pool, journal: PostgresJournal) -> None:
    (block,) = (await JudgeFailures(journal, RULE)(failures(5), NOW)).blocks
    expire = ExpireBlocks(journal)
    assert await expire(block.until - timedelta(microseconds=1)) == 0
    assert sorted(await asyncio.gather(expire(block.until), expire(block.until))) == [0, 1]
    assert (await counted(pool))[3] == 3


async def test_evidence_is_kept_longer_than_a_redelivery_can_come(pool: Pool, journal: PostgresJournal) -> None:
    await JudgeFailures(journal, RULE)(failures(3), NOW)
    forget = ForgetFailures(journal)
    today = datetime.now(UTC)
    assert await forget(today + EVIDENCE_KEPT - timedelta(minutes=5)) == 0
    assert await forget(today + EVIDENCE_KEPT + timedelta(minutes=5)) == 3


@pytest.mark.requirement("EV-08")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM incident",
        "UPDATE incident SET address = 'x'",
        "DELETE FROM block",
        "UPDATE block SET until = now()",
        "UPDATE failed_sign_in SET address = 'x'",
        "CREATE TABLE mine ()",
    ],
)
async def test_the_service_may_do_no_more_than_it_needs(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)
