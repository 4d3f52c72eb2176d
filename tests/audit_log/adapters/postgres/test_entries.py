from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from yoyaku.audit_log.adapters.postgres import occurred_blocks
from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.search import MAX_PAGE_BYTES, Filters, Query
from yoyaku.postgres.pool import Pool

MakeFact = Callable[..., Fact]
Recorded = Callable[..., Awaitable[list[bytes]]]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def entries(pool: Pool, digest_of: Callable[[str], bytes]) -> PostgresEntries:
    return PostgresEntries(pool, digest_of, OccurredBlocks())


async def positions(entries: PostgresEntries, limit: int = 500, **filters: Any) -> list[int]:
    found = await entries.find(Query(Filters(**filters), limit=limit), MAX_PAGE_BYTES)
    return [entry.position for entry in found.entries]


async def walked(entries: PostgresEntries, query: Query, max_bytes: int = MAX_PAGE_BYTES) -> list[list[int]]:
    """Turn every page."""
    pages = []
    lowest, highest, more = query.lowest, query.highest, True
    while more:
        page = Query(query.filters, lowest, highest, query.limit, newest_first=query.newest_first)
        found = await entries.find(page, max_bytes)
        pages.append([entry.position for entry in found.entries])
        more = found.has_more
        if more and query.newest_first:
            highest = pages[-1][-1] - 1
        elif more:
            lowest = pages[-1][-1] + 1
    return pages


@pytest.mark.requirement("AU-07")
async def test_pages_follow_each_other_without_gap_or_repetition_both_ways(
    recorded: Recorded, entries: PostgresEntries, fact: MakeFact
) -> None:
    assert await walked(entries, Query()) == [[]]
    await recorded([fact(number) for number in range(25)])
    up = [list(range(10)), list(range(10, 20)), list(range(20, 25))]
    assert await walked(entries, Query(limit=10)) == up
    down = [list(range(24, 14, -1)), list(range(14, 4, -1)), list(range(4, -1, -1))]
    assert await walked(entries, Query(limit=10, newest_first=True)) == down
    assert await walked(entries, Query(lowest=3, highest=6, limit=2)) == [[3, 4], [5, 6]]


@pytest.mark.requirement("AU-07")
async def test_every_filter_narrows_and_they_join(
    recorded: Recorded, entries: PostgresEntries, fact: MakeFact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occurred_blocks, "BLOCK", 16)
    monkeypatch.setattr(occurred_blocks, "MOST_RUNS", 3)
    late = {5: 100, 130: 10, 131: 11, 180: 12}
    facts = [
        fact(
            number,
            actor=f"person/{number % 2}",
            subject=f"room/{number % 3}",
            type=f"booking.thing.{'failed' if number % 5 == 1 else 'done'}.v1",
            correlation_id=f"c{number % 7}",
            client_address=f"10.0.0.{number % 4}",
            occurred_at=NOON + late.get(number, number) * MINUTE,
        )
        for number in range(210)
    ]
    await recorded(facts, every=MINUTE)
    expected = {
        ("actor", "person/1"): [n for n in range(210) if n % 2 == 1],
        ("subject", "room/1"): [n for n in range(210) if n % 3 == 1],
        ("type", "booking.thing.failed.v1"): [n for n in range(210) if n % 5 == 1],
        ("result", "failed"): [n for n in range(210) if n % 5 == 1],
        ("correlation_id", "c1"): [n for n in range(210) if n % 7 == 1],
        ("event_id", "e-17"): [17],
        ("client_address", "10.0.0.3"): [n for n in range(210) if n % 4 == 3],
        ("recorded_from", BEGIN + 200 * MINUTE): list(range(200, 210)),
        ("recorded_before", BEGIN + 3 * MINUTE): [0, 1, 2],
        ("occurred_from", NOON + 205 * MINUTE): list(range(205, 210)),
        ("occurred_before", NOON + 2 * MINUTE): [0, 1],
    }
    for (name, value), found in expected.items():
        assert await positions(entries, **{name: value}) == found, name
    together: dict[str, Any] = {"occurred_from": NOON + 10 * MINUTE, "occurred_before": NOON + 13 * MINUTE}
    assert await positions(entries, **together) == [10, 11, 12, 130, 131, 180]
    assert await positions(entries, **together, actor="person/1") == [11, 131]
    assert await positions(entries, **together, client_address="10.0.0.2") == [10, 130]
    assert await positions(entries, limit=4, **together) == [10, 11, 12, 130]
    assert await walked(entries, Query(Filters(**together), limit=2, newest_first=True)) == [
        [180, 131],
        [130, 12],
        [11, 10],
    ]
    assert await positions(entries, event_id="e-17", client_address="10.0.0.1", actor="person/1") == [17]
    assert await positions(entries, event_id="e-17", client_address="10.0.0.2") == []
    assert await positions(entries, type="' OR true --") == []


async def test_a_page_is_cut_by_its_size_and_goes_on(
    recorded: Recorded, entries: PostgresEntries, fact: MakeFact
) -> None:
    leaf, beside, too_large = b"x" * 40_000, b"y" * 200_000, b"z" * (MAX_PAGE_BYTES * 2)
    bodies = [leaf, leaf, b"small", beside, beside, too_large, b"small"]
    await recorded([fact(number, body=body) for number, body in enumerate(bodies)])
    assert await walked(entries, Query(), 60_000) == [[0], [1, 2, 3, 4, 5, 6]]
    assert await walked(entries, Query()) == [[0, 1, 2, 3], [4, 5, 6]]
    found = await entries.find(Query(lowest=3), MAX_PAGE_BYTES)
    assert [len(entry.beside or b"") > 0 for entry in found.entries] == [True]
    assert (await entries.find(Query(lowest=5), MAX_PAGE_BYTES)).entries[0].beside is None
