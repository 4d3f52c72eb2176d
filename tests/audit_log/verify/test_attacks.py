"""One act of a database superuser, drawn at random, is found and pointed at; honest histories pass."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.audit_log.verify.findings import Report
from yoyaku.testkit.audit_exports import History, bundles_of, canonical, files_of, sample_entry, tiles_of

SHAPES = [(7, 40, 13, 29), (100, 156, 256, 90), (250, 10, 252, 200, 60)]
"""Batches between checkpoints: within one bundle, on its borders, across several."""
KINDS = {
    "edit": {"edited"},
    "delete": {"deleted", "truncated"},
    "reorder": {"reordered"},
    "insert": {"inserted"},
    "back-date": {"back-dated"},
    "truncate": {"truncated"},
}
EFFORTS = ["rows", "tiles", "log key", "log key and kept checkpoints"]
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Act:
    """What is done at which entry, and what else is rewritten so that it should not show."""

    shape: tuple[int, ...]
    kind: str
    at: int
    other: int
    effort: str
    renumbered: bool


@st.composite
def acts(draw: st.DrawFn, efforts: list[str]) -> Act:
    shape = draw(st.sampled_from(SHAPES))
    size = sum(shape)
    kind = draw(st.sampled_from(sorted(KINDS)))
    at = draw(st.integers(1 if kind == "back-date" else 0, size - (2 if kind == "reorder" else 1)))
    other = draw(st.integers(at + 1, max(at + 1, size - 1)))
    return Act(shape, kind, at, other, draw(st.sampled_from(efforts)), draw(st.booleans()))


def changed(leaf: bytes, **changes: Any) -> bytes:
    return canonical(json.loads(leaf) | changes)


def leaves_after(act: Act, honest: History) -> list[bytes]:
    """Return the entries as the superuser left them."""
    leaves = list(honest.leaves)
    if act.kind == "edit":
        leaves[act.at] = changed(leaves[act.at], actor="person/0815")
    elif act.kind == "delete":
        del leaves[act.at]
    elif act.kind == "reorder":
        leaves[act.at], leaves[act.other] = leaves[act.other], leaves[act.at]
    elif act.kind == "insert":
        time = json.loads(leaves[act.at])["recorded_at"]
        leaves.insert(act.at, changed(sample_entry(act.at, honest.now, actor="person/0815"), recorded_at=time))
    elif act.kind == "back-date":
        leaves[act.at] = changed(leaves[act.at], recorded_at="2026-11-24T01:00:00.000000Z")
    elif act.kind == "truncate":
        del leaves[act.at :]
    if act.renumbered and act.kind in {"delete", "insert"}:
        leaves[act.at :] = [changed(leaf, position=act.at + more) for more, leaf in enumerate(leaves[act.at :])]
    return leaves


def files_after(act: Act, honest: History, leaves: list[bytes], keys: Any) -> dict[str, bytes]:
    """Return the export of the changed log."""
    files = files_of(honest)
    size = len(honest.leaves)
    if act.effort == "rows":
        return {name: data for name, data in files.items() if "entries" not in name} | bundles_of(leaves, size)
    forged = History(leaves=leaves, notes=dict(honest.notes), now=honest.now)
    kept = {name: data for name, data in files.items() if not name.startswith("tile/")}
    rewritten = kept | tiles_of(forged.hashes) | bundles_of(leaves)
    if act.effort == "tiles":
        return rewritten
    rewritten["checkpoint"] = forged.note([keys.log, keys.next])
    if act.effort == "log key and kept checkpoints":
        for at in honest.notes:
            if at > first_difference(honest.leaves, leaves):
                del rewritten[f"checkpoints/{at}"]
                if at <= len(leaves):
                    rewritten[f"checkpoints/{at}"] = forged.note([keys.log, keys.next], at)
    return rewritten


def first_difference(honest: list[bytes], leaves: list[bytes]) -> int:
    both = min(len(honest), len(leaves))
    return next((at for at in range(both) if honest[at] != leaves[at]), both)


@pytest.fixture
def attack(keys: Any, honest: Callable[..., History], tmp_path: Path) -> Callable[[Act], tuple[int, Report]]:
    """`attack(act)` returns the first entry that differs, and what a stranger with the witness's checkpoint finds."""

    def run(act: Act) -> tuple[int, Report]:
        history = honest(*act.shape)
        leaves = leaves_after(act, history)
        shutil.rmtree(tmp_path / "export", ignore_errors=True)
        kept_elsewhere = [history.notes[len(history.leaves)]]
        report = keys.verify(files_after(act, history, leaves, keys), tmp_path / "export", since=kept_elsewhere)
        return first_difference(history.leaves, leaves), report

    return run


@pytest.mark.requirement("AU-03")
@few
@given(act=acts(["rows"]))
def test_an_entry_that_was_touched_is_named_with_what_was_done(act: Act, attack: Callable[..., Any]) -> None:
    first, report = attack(act)
    kinds = KINDS[act.kind] | ({"edited", "back-dated"} if act.renumbered else set())
    assert report.first is not None
    assert (report.first.first, report.first.kind in kinds) == (first, True), report.first
    assert report.first.last is not None
    assert report.first.last >= first


@pytest.mark.requirement("AU-03")
@few
@given(act=acts(EFFORTS[1:]))
def test_a_rewritten_tree_is_narrowed_down_to_its_kept_checkpoints(act: Act, attack: Callable[..., Any]) -> None:
    """Whatever was rewritten without the witness's key: the range ends at the signed sizes around the change."""
    first, report = attack(act)
    pointing = [found for found in report.findings if found.first is not None and found.first <= first <= found.last]
    assert pointing, report.findings
    sizes = [0, *(sum(act.shape[: end + 1]) for end in range(len(act.shape)))]
    cosigned = [size for number, size in enumerate(sizes) if number != 2]
    assert max(size for size in cosigned if size <= first) <= max(found.first for found in pointing)
    if act.effort != EFFORTS[3]:
        beyond = min(size for size in sizes if size > first)
        assert min(found.last for found in pointing) < beyond or act.kind in {"truncate", "delete"}


@pytest.mark.requirement("AU-03")
@settings(few, max_examples=15)
@given(
    batches=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    first_position=st.sampled_from([0, 4711]),
    lag=st.integers(0, 90),
)
def test_honest_histories_always_pass(
    batches: list[int], first_position: int, lag: int, keys: Any, tmp_path: Path
) -> None:
    """Restarts without a pause, keys in overlap, a second epoch, entries that the witness has not seen yet."""
    log, following = keys.log, keys.next
    history = History(first_position=first_position)
    if first_position:
        history.origin = "audit.yoyaku/test/2"
        log, following = (type(log)(history.origin, seed) for seed in (0, 1))
    for number, count in enumerate(batches):
        history.append(count, timedelta(milliseconds=number % 2))
        history.keep(*((log,), (log, following), (following,))[min(number, 2)], keys.witness)
    history.append(lag, timedelta(seconds=30))
    head = history.note([following])
    shutil.rmtree(tmp_path / "export", ignore_errors=True)
    owned = replace(keys, log=log, next=following)
    report = owned.verify(files_of(history, head), tmp_path / "export", since=[history.notes[batches[0]]])
    assert report.is_whole, report.findings
    assert report.entries == len(history.leaves)
    assert report.cosigned_entries == sum(batches)


def forged_by_the_log(honest: History, keys: Any, *, at: int) -> dict[str, bytes]:
    """Return the export of a log that was rewritten from `at` on with its own key; what contradicts it is gone."""
    leaves = list(honest.leaves)
    leaves[at] = changed(leaves[at], actor="person/0815")
    forged = History(leaves=leaves, now=honest.now)
    forged.notes = {size: note if size <= at else forged.note([keys.log], size) for size, note in honest.notes.items()}
    return files_of(forged)


@pytest.mark.requirement("AU-03")
def test_a_forgery_that_leaves_no_cosignature_behind_shows_by_their_absence(
    honest: Callable[..., History], keys: Any, tmp_path: Path
) -> None:
    report = keys.verify(forged_by_the_log(honest(100, 156, 256, 90), keys, at=400), tmp_path)
    assert [(found.kind, found.first, found.last) for found in report.findings] == [("uncosigned", 100, 601)]
    assert "the newest cosigned checkpoint is of size 100" in report.findings[0].text


def test_the_same_forgery_within_what_is_forgiven_cannot_be_seen_and_that_is_said(
    honest: Callable[..., History], keys: Any, tmp_path: Path
) -> None:
    files = forged_by_the_log(honest(100, 156, 256, 90), keys, at=600)
    report = keys.verify(files, tmp_path)
    assert report.is_whole
    assert any("the last 90 entries by a witness" in line for line in report.not_checked)


def test_a_fork_is_not_dated_by_checkpoints_that_the_forger_could_sign(
    honest: Callable[..., History], keys: Any, tmp_path: Path
) -> None:
    history = honest(100, 156, 256, 90)
    report = keys.verify(forged_by_the_log(history, keys, at=400), tmp_path, since=[history.notes[602]])
    forked = next(found for found in report.findings if found.kind == "forked")
    assert (forked.first, forked.last) == (100, 601)


@pytest.mark.parametrize(("level", "expected"), [(0, (256, 511)), (1, (0, 599))])
def test_what_was_rewritten_below_tiles_that_were_left_alone_is_narrowed_down_by_them(
    level: int, expected: tuple[int, int], keys: Any, tmp_path: Path
) -> None:
    """Entries and tiles up to a level are rewritten, the tiles above and the checkpoint are not."""
    history = History()
    history.append(600, timedelta(seconds=1))
    history.keep(keys.log, keys.witness)
    files = files_of(history)
    history.leaves[300] = changed(history.leaves[300], actor="person/0815")
    rewritten = tiles_of(history.hashes) | bundles_of(history.leaves)
    files |= {name: data for name, data in rewritten.items() if "entries" in name or int(name.split("/")[1]) <= level}
    report = keys.verify(files, tmp_path)
    assert report.first is not None
    assert report.first.kind == "rewritten"
    assert (report.first.first, report.first.last) == expected


def test_two_acts_in_two_bundles_are_both_told(honest: Callable[..., History], keys: Any, tmp_path: Path) -> None:
    history = honest(100, 156, 256, 90)
    files = files_of(history)
    leaves = list(history.leaves)
    leaves[20] = changed(leaves[20], actor="person/0815")
    del leaves[300]
    report = keys.verify(files | bundles_of(leaves, 602), tmp_path)
    assert [(found.kind, found.first) for found in report.findings] == [("edited", 20), ("deleted", 300)]
    assert report.further == {"bundles that do not fit either": 1}


def test_entries_of_a_later_epoch_are_named_by_their_positions(keys: Any, tmp_path: Path) -> None:
    history = History(origin="audit.yoyaku/test/3", first_position=4711)
    history.append(30)
    log = replace(keys.log, name=history.origin)
    history.keep(log, keys.witness)
    files = files_of(history)
    leaves = list(history.leaves)
    leaves[12] = changed(leaves[12], actor="person/0815")
    report = replace(keys, log=log, next=log).verify(files | bundles_of(leaves), tmp_path)
    assert (report.first.kind, report.first.first) == ("edited", 4711 + 12)


def test_a_log_that_was_cut_off_at_a_cosigned_checkpoint_is_short_and_otherwise_as_it_was(
    honest: Callable[..., History], keys: Any, tmp_path: Path
) -> None:
    short, whole = honest(100, 156, 256), honest(100, 156, 256, 90)
    files = files_of(short)
    assert keys.verify(files, tmp_path).is_whole
    report = keys.verify(files, tmp_path, since=[whole.notes[602]])
    assert [(found.kind, found.first, found.last) for found in report.findings] == [("truncated", 512, 601)]
    report = keys.verify(files | {"checkpoints/602": whole.notes[602]}, tmp_path)
    assert [(found.kind, found.where) for found in report.findings] == [("truncated", "checkpoints/602")]
