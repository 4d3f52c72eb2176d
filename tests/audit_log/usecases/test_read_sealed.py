"""Entries of sealed months: found as they were hot, and damage is said, never shown."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import SETTLE
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError, SealedQuery
from yoyaku.audit_log.usecases.sealing_ports import HotEntry

JANUARY = Month(2026, 1)


@pytest.fixture
async def sealed(sealing_world: Callable[[], Any]) -> tuple[Any, list[HotEntry]]:
    world = sealing_world()
    for index, count in enumerate([40, 230, 20]):
        world.log.record(JANUARY.plus(index).begins_at + timedelta(days=3), count, beside=b"{}" if index == 1 else None)
        world.log.keep_checkpoint()
    entries = list(world.log.hot)
    world.log.record(JANUARY.plus(3).begins_at + SETTLE, 1)
    world.log.keep_checkpoint()
    await world.use_cases()[0]()
    return world, entries


def matches(entry: HotEntry, query: SealedQuery) -> bool:
    indexed = entry.indexed
    equal = ("actor", "subject", "type", "correlation_id", "result")
    assert indexed.occurred_at is not None
    return (
        indexed.position >= query.lowest
        and (query.highest is None or indexed.position <= query.highest)
        and all(getattr(query, name) in {None, getattr(indexed, name)} for name in equal)
        and (query.occurred_from is None or indexed.occurred_at >= query.occurred_from)
        and (query.occurred_before is None or indexed.occurred_at < query.occurred_before)
        and (query.recorded_from is None or indexed.recorded_at >= query.recorded_from)
        and (query.recorded_before is None or indexed.recorded_at < query.recorded_before)
    )


RECORDED = [JANUARY.plus(index).begins_at + timedelta(days=3) for index in range(3)]


def moments() -> st.SearchStrategy[Any]:
    exact = st.sampled_from([*RECORDED, *(one - timedelta(seconds=1) for one in RECORDED)])
    return st.none() | exact | st.integers(0, 100).map(lambda days: JANUARY.begins_at + timedelta(days=days))


QUERIES = st.builds(
    SealedQuery,
    limit=st.integers(1, 30),
    lowest=st.integers(0, 300),
    highest=st.none() | st.integers(0, 300),
    newest_first=st.booleans(),
    actor=st.sampled_from([None, "person/1", "person/9"]),
    subject=st.sampled_from([None, "room/2"]),
    type=st.sampled_from([None, "booking.room.created.v1"]),
    correlation_id=st.sampled_from([None, "c-20"]),
    result=st.sampled_from([None, "refused"]),
    occurred_from=moments(),
    occurred_before=moments(),
    recorded_from=moments(),
    recorded_before=moments(),
)


@pytest.mark.requirement("AU-06")
async def test_a_search_finds_what_a_search_of_the_database_would_have_found(
    sealed: tuple[Any, list[HotEntry]],
) -> None:
    world, entries = sealed
    reader = world.reader()
    drawn: list[SealedQuery] = []

    @settings(max_examples=150, database=None)
    @given(QUERIES)
    def draw(query: SealedQuery) -> None:
        drawn.append(query)

    draw()
    for query in drawn:
        expected = [entry for entry in entries if matches(entry, query)]
        if query.newest_first:
            expected.reverse()
        found, has_more = await reader.find(query, 1_000_000)
        assert [(one.place.position, one.leaf) for one in found] == [
            (entry.indexed.position, entry.leaf) for entry in expected[: query.limit]
        ]
        assert [one.place.recorded_at for one in found] == [one.indexed.recorded_at for one in expected[: query.limit]]
        assert has_more == (len(expected) > query.limit)


async def test_a_page_ends_where_its_bytes_do_and_one_entry_always_fits(sealed: tuple[Any, list[HotEntry]]) -> None:
    world, entries = sealed
    found, has_more = await world.reader().find(SealedQuery(limit=50), len(entries[0].leaf) * 3)
    assert (len(found), has_more) == (3, True)
    assert len((await world.reader().find(SealedQuery(limit=50), 1))[0]) == 1


async def test_conditions_that_only_the_database_knows_narrow_the_search(sealed: tuple[Any, list[HotEntry]]) -> None:
    world, _ = sealed

    async def among(first: int, end: int) -> frozenset[int]:
        return frozenset(one for one in (1, 3, 41, 289, 290) if first <= one < end)

    async def odd_ones(first: int, end: int) -> frozenset[int]:
        return frozenset(one for one in range(first, end) if one % 2)

    found, has_more = await world.reader().find(SealedQuery(limit=3), 1000, (among, odd_ones))
    assert ([one.place.position for one in found], has_more) == ([1, 3, 41], True)


async def test_a_body_is_read_by_its_digest(sealed: tuple[Any, list[HotEntry]]) -> None:
    world, _ = sealed
    (name,) = [one for one in world.archive.objects if "/bodies/" in one]
    digest = bytes.fromhex(name.rpartition("/")[2])
    assert await world.reader().body(digest) == b"{}"
    assert await world.reader().body(bytes(32)) is None
    world.archive.objects[name] = b"{ }"
    with pytest.raises(ArchiveDamagedError, match="bodies"):
        await world.reader().body(digest)


@pytest.mark.requirement("AU-06")
@pytest.mark.parametrize("kind", ["tile/entries/", "/index-", "/manifest-"])
@pytest.mark.parametrize("act", ["flip", "cut", "gone", "swap"])
async def test_a_damaged_object_is_named_and_nothing_of_it_is_shown(
    sealed: tuple[Any, list[HotEntry]], kind: str, act: str
) -> None:
    world, _ = sealed
    hit = sorted(name for name in world.archive.objects if kind in name)
    for name in hit:
        data = world.archive.objects[name]
        match act:
            case "flip":
                world.archive.objects[name] = bytes([data[0] ^ 1]) + data[1:]
            case "cut":
                world.archive.objects[name] = data[:-1]
            case "gone":
                del world.archive.objects[name]
            case "swap":
                world.archive.objects[name] = world.archive.objects[hit[0] if name != hit[0] else hit[-1]]
    reader = world.reader(world.folder / "fresh")
    with pytest.raises(ArchiveDamagedError) as damage:
        await reader.find(SealedQuery(limit=5), 10_000)
    assert damage.value.name in hit
    assert len(damage.value.expected_sha256) == len(damage.value.found_sha256) == 32


async def test_a_local_copy_that_was_changed_is_not_believed(sealed: tuple[Any, list[HotEntry]]) -> None:
    world, entries = sealed
    reader = world.reader()
    await reader.leaves(0, 290)
    for copy in world.folder.iterdir():
        if not copy.read_bytes().startswith(b"SQLite"):
            copy.write_bytes(b"x" + copy.read_bytes()[1:])
    assert [one.leaf for one in await reader.leaves(0, 290)] == [entry.leaf for entry in entries]
