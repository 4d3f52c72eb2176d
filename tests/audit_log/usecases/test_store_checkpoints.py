"""Kept checkpoints in the archive: a crash in between is made good, another text is damage."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from yoyaku.audit_log.domain.segment import KeptCheckpoint
from yoyaku.audit_log.usecases.archive_ports import ArchiveDamagedError
from yoyaku.audit_log.usecases.store_checkpoints import ArchivedCheckpoints, StoreCheckpoints
from yoyaku.testkit.faults import CrashedError, Faults

FOLDER = "audit.yoyaku/test/checkpoints/000001/"


def kept(size: int, signatures: str = "a", *, is_cosigned: bool = False) -> KeptCheckpoint:
    return KeptCheckpoint(1, size, bytes(32), f"origin\n{size}\nroot\n\n{signatures}\n", is_cosigned)


class Unstored:
    def __init__(self, *checkpoints: KeptCheckpoint) -> None:
        self.waiting = list(checkpoints)

    async def unstored(self, limit: int) -> Sequence[KeptCheckpoint]:
        return self.waiting[:limit]

    async def mark_stored(self, checkpoints: Sequence[KeptCheckpoint]) -> None:
        self.waiting = [one for one in self.waiting if one not in checkpoints]


async def test_each_is_stored_once_and_again_when_it_is_cosigned(sealing_world: Callable[[], Any]) -> None:
    archive = sealing_world().archive
    waiting = Unstored(kept(9), kept(10), kept(9, "a\nb", is_cosigned=True))
    assert await StoreCheckpoints(waiting, archive, "test")() == 3
    assert sorted(archive.objects) == [f"{FOLDER}{9:020d}", f"{FOLDER}{9:020d}.cosigned", f"{FOLDER}{10:020d}"]
    found = [one async for one in ArchivedCheckpoints(archive, "test").newest_first(1)]
    assert [(one.size, one.is_cosigned) for one in found] == [(10, False), (9, True), (9, False)]


async def test_a_crash_between_the_two_is_made_good_also_with_other_signatures(
    sealing_world: Callable[[], Any],
) -> None:
    archive, waiting = sealing_world().archive, Unstored(kept(9))
    with pytest.raises(CrashedError):
        await StoreCheckpoints(Faults(1).wrap(waiting), archive, "test")()
    assert len(archive.objects) == 1
    waiting.waiting = [kept(9, "another signature")]
    assert await StoreCheckpoints(waiting, archive, "test")() == 1
    assert archive.objects[f"{FOLDER}{9:020d}"].endswith(b"\na\n")


async def test_another_text_under_a_name_is_damage(sealing_world: Callable[[], Any]) -> None:
    archive, waiting = sealing_world().archive, Unstored(kept(9))
    archive.objects[f"{FOLDER}{9:020d}"] = b"origin\n9\nanother root\n\na\n"
    with pytest.raises(ArchiveDamagedError):
        await StoreCheckpoints(waiting, archive, "test")()
    assert len(waiting.waiting) == 1


async def test_names_that_are_none_of_ours_are_passed_over(sealing_world: Callable[[], Any]) -> None:
    archive = sealing_world().archive
    for name in ("x", "12.old", "9x", "\u0663"):
        archive.objects[FOLDER + name] = b"x"
    assert [one async for one in ArchivedCheckpoints(archive, "test").newest_first(1)] == []
