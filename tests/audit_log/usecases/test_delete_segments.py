"""Seven years later: sealed months leave the archive, by a recorded fact, and proofs of later entries stay whole."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from yoyaku.audit_log.domain.month import Month
from yoyaku.audit_log.domain.segment import SETTLE
from yoyaku.testkit.faults import CrashedError, Faults
from yoyaku.tlog.tiles import tile_path, tiles_of

JANUARY = Month(2026, 1)
BODY = b'{"body":{"large":true}}'


async def sealed(sealing_world: Callable[[], Any], counts: list[int]) -> Any:
    world = sealing_world()
    for index, count in enumerate(counts):
        world.log.record(JANUARY.plus(index).begins_at + timedelta(days=3), count, beside=BODY if index < 2 else None)
        world.log.keep_checkpoint()
    world.log.record(JANUARY.plus(len(counts)).begins_at + SETTLE, 1)
    world.log.keep_checkpoint()
    await world.use_cases()[0]()
    return world


def seven_years_after(world: Any, month: Month) -> None:
    """The log goes on, and a fact of the log and a checkpoint after it are there."""
    world.log.record(month.plus(84).ends_at, 1)
    world.log.fact_position = len(world.log.every_leaf) - 1
    world.log.keep_checkpoint()


def names(world: Any) -> set[str]:
    return {name.removeprefix("audit.yoyaku/test/1/") for name in world.archive.objects}


@pytest.mark.requirement("AU-06")
async def test_a_month_is_deleted_after_seven_years_and_later_entries_keep_their_proofs(
    sealing_world: Callable[[], Any],
) -> None:
    world = await sealed(sealing_world, [300, 10, 5])
    _, delete = world.use_cases()
    assert (await delete()).recorded == []
    before = names(world)
    seven_years_after(world, JANUARY)
    done = await delete()
    assert [str(one.month) for one in done.recorded] == [str(one.month) for one in done.expunged] == ["2026-01"]
    assert world.log.told[-1] == "deleted 2026-01"
    gone = before - names(world)
    assert {name for name in gone if not name.startswith("segments/2026-01/")} == {
        "tile/entries/000",
        "tile/entries/001.p/44",
    }
    assert len(gone) == 4
    # The bundle that holds entries of two months is the later one's; what both months refer to stays for it.
    assert "tile/entries/001.p/54" in names(world)
    assert any(name.startswith("bodies/") for name in names(world))
    assert {tile_path(tile) for tile in tiles_of(300)} <= names(world)
    reader = world.reader(world.folder / "fresh")
    assert await reader.leaves(0, 300) == []
    assert [one.leaf for one in await reader.leaves(300, 15)] == world.log.every_leaf[300:315]
    seven_years_after(world, JANUARY.plus(1))
    await delete()
    assert not any(name.startswith("bodies/") for name in names(world))
    assert (await delete()).recorded == []


async def test_the_files_stay_until_the_fact_is_an_entry_that_a_checkpoint_vouches_for(
    sealing_world: Callable[[], Any],
) -> None:
    world = await sealed(sealing_world, [3, 3])
    _, delete = world.use_cases()
    seven_years_after(world, JANUARY)
    world.log.fact_position = None
    before = names(world)
    assert [str(one.month) for one in (await delete()).recorded] == ["2026-01"]
    assert names(world) == before
    # Recorded is deleted for every reader, at once.
    assert await world.reader().leaves(0, 3) == []
    world.log.record(world.log.head, 1)
    world.log.fact_position = len(world.log.every_leaf) - 1
    assert (await delete()).expunged == []
    world.log.keep_checkpoint()
    assert [str(one.month) for one in (await delete()).expunged] == ["2026-01"]
    assert names(world) < before


async def test_a_clock_that_is_ahead_alone_deletes_nothing(
    sealing_world: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await sealed(sealing_world, [3, 3])
    _, delete = world.use_cases()
    monkeypatch.setattr(delete, "_now", lambda: JANUARY.plus(200).begins_at)
    assert (await delete()).recorded == []
    seven_years_after(world, JANUARY)
    monkeypatch.setattr(delete, "_now", lambda: JANUARY.plus(1).begins_at)
    assert (await delete()).recorded == []


@pytest.mark.requirement("AU-06")
async def test_a_crash_at_any_line_of_a_deletion_is_finished_by_the_next_run(
    sealing_world: Callable[[], Any],
) -> None:
    due = await sealed(sealing_world, [257, 2, 2])
    seven_years_after(due, JANUARY.plus(1))
    whole = due.copy()
    counting = Faults()
    await whole.use_cases(counting)[1]()
    assert whole.log.expunged == {JANUARY, JANUARY.plus(1)}
    for number in range(counting.count):
        for after in counting.moments(number):
            world = due.copy()
            with pytest.raises(CrashedError):
                await world.use_cases(Faults(number, after=after))[1]()
            await world.use_cases()[1]()
            assert names(world) == names(whole), (counting.operations[number], after)
            assert world.log.told == whole.log.told
