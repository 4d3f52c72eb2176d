"""Months into the archive and out of it, in memory, with a crash at every single operation."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import SETTLE, SegmentNotWholeError
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError
from yoyaku.testkit.faults import CrashedError, Faults
from yoyaku.tlog.merkle import leaf_hash
from yoyaku.tlog.tiles import tile_path, tiles_of

JANUARY = Month(2026, 1)
BODY = b'{"body":{"large":true}}'


def recorded(world: Any, counts: list[int]) -> None:
    """So many entries in each month, a checkpoint at the end of each, and the first entry of the month after all."""
    for index, count in enumerate(counts):
        world.log.record(JANUARY.plus(index).begins_at + timedelta(days=3), count, beside=BODY if index == 1 else None)
        world.log.keep_checkpoint()
    world.log.record(JANUARY.plus(len(counts)).begins_at + SETTLE, 1)
    world.log.keep_checkpoint()


def state(world: Any) -> dict[str, Any]:
    log = world.log
    return {
        "objects": set(world.archive.objects),
        "sealed": [(one.month, one.first_position, one.entry_count, one.root) for one in log.sealed],
        "hot": [one.indexed.position for one in log.hot],
        "dropped": sorted(log.dropped),
        "told": log.told,
        "edge": log.edge,
    }


@pytest.mark.requirement("AU-06")
async def test_closed_months_are_in_the_archive_whole_and_out_of_the_database(
    sealing_world: Callable[[], Any],
) -> None:
    world = sealing_world()
    recorded(world, [300, 10, 600])
    seal, _ = world.use_cases()
    done = await seal()
    assert [str(one.month) for one in done.sealed] == ["2026-01", "2026-02", "2026-03"]
    assert [str(month) for month in done.dropped] == ["2026-01", "2026-02", "2026-03"]
    assert done.waiting == []
    assert [one.indexed.position for one in world.log.hot] == [910]
    # The archive of the epoch is the layout of the whole tree so far.
    names = {name.removeprefix("audit.yoyaku/test/1/") for name in world.archive.objects}
    assert {tile_path(tile) for tile in tiles_of(910)} <= names
    assert {"tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003.p/142"} <= names
    assert {"tile/entries/001.p/44", "tile/entries/001.p/54", "checkpoints/310"} <= names
    found = await world.reader().leaves(0, 2000)
    assert [one.leaf for one in found] == world.log.every_leaf[:910]
    assert (await seal()).sealed == []


@pytest.mark.requirement("AU-06")
async def test_a_crash_at_any_line_is_finished_by_the_next_run(sealing_world: Callable[[], Any]) -> None:
    before = sealing_world()
    recorded(before, [254, 3])
    whole = before.copy()
    counting = Faults()
    await whole.use_cases(counting)[0]()
    expected = state(whole)
    assert counting.count > 50
    for number in range(counting.count):
        for after in counting.moments(number):
            world = before.copy()
            with pytest.raises(CrashedError):
                await world.use_cases(Faults(number, after=after))[0]()
            # Whatever is gone from the database is in the archive, and verified.
            sealed_now = sum(one.entry_count for one in world.log.sealed)
            assert world.log.hot[0].indexed.position <= sealed_now
            found = await world.reader(world.folder / "fresh").leaves(0, sealed_now)
            assert [one.leaf for one in found] == world.log.every_leaf[:sealed_now]
            await world.use_cases()[0]()
            assert state(world) == expected, (counting.operations[number], after)


async def test_a_month_without_a_cosigned_checkpoint_waits(sealing_world: Callable[[], Any]) -> None:
    world = sealing_world()
    recorded(world, [3])
    kept, world.log.kept = world.log.kept, []
    seal, _ = world.use_cases()
    waiting = await seal()
    assert waiting.sealed == []
    assert "no kept checkpoint" in waiting.waiting[0]
    world.log.kept = kept
    assert len((await seal()).sealed) == 1


async def test_only_the_months_up_to_the_named_one_are_sealed(sealing_world: Callable[[], Any]) -> None:
    world = sealing_world()
    recorded(world, [3, 3])
    seal, _ = world.use_cases()
    assert [str(one.month) for one in (await seal(JANUARY)).sealed] == ["2026-01"]


async def test_an_entry_whose_bytes_are_not_those_of_its_hash_is_never_sealed(
    sealing_world: Callable[[], Any],
) -> None:
    world = sealing_world()
    recorded(world, [3])
    entry = world.log.hot[1]
    world.log.hot[1] = type(entry)(entry.indexed, b"edited", entry.leaf_hash)
    with pytest.raises(SegmentNotWholeError, match="entry 1"):
        await world.use_cases()[0]()
    assert world.log.sealed == []
    assert len(world.log.hot) == 4


async def test_a_month_that_its_checkpoint_does_not_vouch_for_is_never_recorded(
    sealing_world: Callable[[], Any],
) -> None:
    world, other = sealing_world(), sealing_world()
    recorded(world, [3])
    recorded(other, [3])
    other.log.every_leaf[1] = b"another"
    forged = [other.log.keep_checkpoint()]
    world.log.kept = forged
    with pytest.raises(ArchiveDamagedError, match="does not vouch for it"):
        await world.use_cases()[0]()
    assert world.log.sealed == []
    assert len(world.log.hot) == 4


@pytest.mark.parametrize("named", ["tile/0/000.p/3", "tile/entries/000.p/3", "index-", "manifest-", "checkpoints/3"])
async def test_what_does_not_read_back_as_it_was_written_is_never_recorded(
    sealing_world: Callable[[], Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sealing_world()
    recorded(world, [3])
    put_once = world.archive.put_once

    async def lossy(name: str, data: bytes) -> None:
        await put_once(name, data[:-1] + b"?" if named in name else data)

    monkeypatch.setattr(world.archive, "put_once", lossy)
    with pytest.raises(ArchiveDamagedError) as damage:
        await world.use_cases()[0]()
    assert named in damage.value.name
    assert world.log.sealed == []
    assert len(world.log.hot) == 4


async def test_the_month_before_is_looked_at_when_its_last_bundle_goes_on(sealing_world: Callable[[], Any]) -> None:
    world = sealing_world()
    recorded(world, [3])
    await world.use_cases()[0]()
    bundle = "audit.yoyaku/test/1/tile/entries/000.p/3"
    for damage in (b"\x00\x01x" * 3, b"short", None):
        world.log.record(JANUARY.plus(2).begins_at + SETTLE, 1)
        world.log.keep_checkpoint()
        known = world.archive.objects.pop(bundle)
        if damage is not None:
            world.archive.objects[bundle] = damage
        with pytest.raises(ArchiveDamagedError) as damaged:
            await world.use_cases()[0]()
        assert damaged.value.name == bundle
        assert len(world.log.sealed) == 1
        world.archive.objects[bundle] = known
    assert len((await world.use_cases()[0]()).sealed) == 1


async def test_an_index_that_does_not_know_every_entry_is_never_recorded(
    sealing_world: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sealing_world()
    recorded(world, [3])
    seal, _ = world.use_cases()
    write = seal._write._index_files.write

    async def forgetful(entries: Any) -> bytes:
        return await write(entries[:-1])

    monkeypatch.setattr(seal._write._index_files, "write", forgetful)
    with pytest.raises(ArchiveDamagedError, match="positions that it should"):
        await seal()
    assert world.log.sealed == []


async def test_an_entry_rewritten_with_its_hash_makes_another_tree_and_is_never_sealed(
    sealing_world: Callable[[], Any],
) -> None:
    world = sealing_world()
    recorded(world, [3])
    entry = world.log.hot[1]
    world.log.hot[1] = type(entry)(entry.indexed, b"edited", leaf_hash(b"edited"))
    with pytest.raises(ArchiveDamagedError, match="another tree"):
        await world.use_cases()[0]()
    assert world.log.sealed == []
