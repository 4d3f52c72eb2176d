from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.domain.entry import MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, Query
from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.postgres.pool import Pool

MakeFact = Callable[..., Fact]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def search(pool: Pool) -> SearchEntries:
    return SearchEntries(PostgresEntries(pool))


@pytest.mark.requirement("AU-07")
async def test_pages_follow_each_other_without_gap_or_repetition(
    record: RecordFacts, search: SearchEntries, fact: MakeFact
) -> None:
    await record([fact(number) for number in range(25)])
    seen: list[int] = []
    after: int | None = -1
    sizes = []
    while after is not None:
        page = await search(Query(after=after, limit=10))
        sizes.append(len(page.entries))
        seen += [entry.position for entry in page.entries]
        after = page.next_after
    assert seen == list(range(25))
    assert sizes == [10, 10, 5]


async def test_an_empty_log_is_an_empty_page(search: SearchEntries) -> None:
    page = await search(Query())
    assert (page.entries, page.next_after) == ([], None)


@pytest.mark.requirement("AU-07")
async def test_every_filter_narrows_and_they_join(record: RecordFacts, search: SearchEntries, fact: MakeFact) -> None:
    facts = [
        fact(
            number,
            actor=f"person/{number % 2}",
            subject=f"room/{number % 3}",
            type=f"t{number % 5}",
            correlation_id=f"c{number % 7}",
            occurred_at=NOON + timedelta(minutes=number),
        )
        for number in range(210)
    ]
    await record(facts)

    async def numbers(**filters: object) -> list[int]:
        page = await search(Query(limit=500, **filters))  # type: ignore[arg-type]
        return [entry.number for entry in page.entries]

    assert await numbers(actor="person/1") == [n for n in range(210) if n % 2 == 1]
    assert await numbers(subject="room/1") == [n for n in range(210) if n % 3 == 1]
    assert await numbers(type="t1") == [n for n in range(210) if n % 5 == 1]
    assert await numbers(correlation_id="c1") == [n for n in range(210) if n % 7 == 1]
    assert await numbers(actor="person/1", subject="room/1", type="t1", correlation_id="c1") == [1]
    start, end = NOON + timedelta(minutes=10), NOON + timedelta(minutes=12)
    assert await numbers(occurred_from=start, occurred_before=end) == [10, 11]
    assert await numbers(occurred_from=start, occurred_before=end, actor="person/0") == [10]
    assert await numbers(type="' OR true --") == []


async def test_a_page_is_cut_by_its_size_and_goes_on(
    record: RecordFacts, search: SearchEntries, fact: MakeFact
) -> None:
    big = b"x" * (MAX_PAGE_BYTES * 3 // 8 - 2000)  # written, it is a third larger
    bodies = [big, big, b"z" * 5000, b"y" * (MAX_PAGE_BYTES * 2), b"small"]
    await record([fact(number, body=body) for number, body in enumerate(bodies)])
    pages = []
    after: int | None = -1
    while after is not None:
        page = await search(Query(after=after))
        pages.append([entry.position for entry in page.entries])
        after = page.next_after
    assert pages == [[0, 1], [2], [3], [4]]


async def test_a_limit_out_of_range_is_brought_into_it(
    record: RecordFacts, search: SearchEntries, fact: MakeFact
) -> None:
    await record([fact(number) for number in range(MAX_PAGE_ENTRIES + 1)])
    assert len((await search(Query(limit=10_000))).entries) == MAX_PAGE_ENTRIES
    assert len((await search(Query(limit=-5))).entries) == 1
