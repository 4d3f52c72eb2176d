"""Verifies one export: lets it be walked through, and says what the disagreements mean that were met on the way."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from . import findings as kinds
from .findings import Finding, Report, Window, what_happened
from .formats import (
    WIDTH,
    DamageError,
    Export,
    InputError,
    Key,
    Tree,
    Trust,
    leaf_of,
    peaks_of,
    tile_name,
    utc,
)
from .walk import STRICT, Anchors, Limits, Progress, Walk, position_of, read_entry, seconds_between

MOST_EXPLAINED = 100
"""So many bundles are looked into; the rest is counted."""


def verify(
    directory: Path,
    *,
    keys: Sequence[Key],
    witnesses: Sequence[Key] = (),
    since: Sequence[tuple[str, bytes]] = (),
    limits: Limits = STRICT,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Return what is whole and what is not in the export of one epoch.

    `since`: names and bytes of checkpoints that were kept elsewhere. `progress` is told entries done and in all.
    Raises InputError where nothing can be judged: no export, or one that none of the keys has signed.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: no such folder")
    export, trust, report = Export(directory), Trust(keys, witnesses), Report()
    try:
        elsewhere = [trust.open(data, name) for name, data in since]
    except DamageError as error:
        raise InputError(str(error)) from None
    anchors = Anchors(export, trust, report)
    head = anchors.head()
    if witnesses and not report.findings and not any(one.cosigned_by for one in elsewhere):
        _know_a_witness(anchors, trust)
    if head is None:
        return report
    report.origin, report.size, report.root = head.origin, head.size, base64.b64encode(head.root).decode()
    anchors.elsewhere = elsewhere
    anchors.extras = sorted((head, *elsewhere), key=lambda checkpoint: checkpoint.size)
    walk = Walk(export, anchors, head, report, limits)
    walk.run(progress)
    Judge(walk, witnessed=bool(witnesses)).judge()
    _judge_witnesses(walk, trust, limits)
    _tell_what_was_not_checked(walk, trust, told=bool(elsewhere))
    return report


def _know_a_witness(anchors: Anchors, trust: Trust) -> None:
    """Refuse to judge by witnesses of whom no checkpoint bears a line: likelier the wrong key than a damaged log."""
    found: set[str] = set()
    for names in anchors.names():
        found |= names
        if not found.isdisjoint(trust.witnesses):
            return
    others = ", ".join(sorted(found)[:8])
    raise InputError(
        f"no checkpoint in this folder names {', '.join(trust.witnesses)} (they are by {others}): is it the right "
        "key of a witness? Without --witness the rest is verified"
    )


class Judge:
    """Tells what was done, from what a walk has met."""

    def __init__(self, walk: Walk, *, witnessed: bool) -> None:
        self._walk = walk
        self._witnessed = witnessed

    def judge(self) -> None:
        """Say what the disagreements mean, now that it is known whether the tree is the signed one."""
        for level, row in enumerate(self._walk.tree.rows, 1):
            if row and self._walk.stop is None:
                self._walk.tile_above(level, self._walk.size_at(level) // WIDTH, row)
        is_signed = self._walk.stop is not None or self._walk.tree.root(self._walk.last) == self._walk.head.root
        if is_signed and self._walk.broken is None:
            for name in self._walk.misfits:
                self._walk.report.add(Finding(kinds.TILE, name, "it does not fit the entries, which are whole"))
        elif is_signed and self._walk.stop is None:
            self._tell_fork()
        else:
            self._tell_rewriting()
        self._tell_absent()
        self._tell_suspects()
        for finding in self._walk.odd:
            self._walk.report.add(finding)
        self._tell_end()
        self._tell_what_lies_beyond()

    def _tell_what_lies_beyond(self) -> None:
        """Say what was cut off, by a checkpoint of more entries than the export has."""
        size = self._walk.head.size
        beyond = self._walk.anchors.beyond(size)
        if beyond is None:
            return
        text = f"the export ends at size {size}, but {beyond.signers} signed size {beyond.size}"
        self._walk.add(kinds.TRUNCATED, beyond.where, text, size, beyond.size - 1)
        if self._walk.stop is None and self._walk.broken is None:
            self._tell_unproven(size, self._walk.held_before(size + 1, by_others=True), beyond.where)

    def _tell_unproven(self, size: int, held: int, where: str) -> None:
        if held < size:
            text = f"with what is cut off went the proof that they are as they were; up to size {held} they are"
            self._walk.add(kinds.UNPROVEN, where, text, held, size - 1)

    def _tell_fork(self) -> None:
        assert self._walk.broken is not None
        text = (
            f"{self._walk.head.where} holds these entries, {self._walk.broken.where} others, and both are signed: "
            f"they cannot both be true. The second is signed by {self._walk.broken.signers}"
        )
        broken = self._walk.broken
        first = self._walk.held_before(broken.size, by_others=True)
        self._walk.add(kinds.FORKED, broken.where, text, first, max(first, broken.size - 1))

    def _tell_rewriting(self) -> None:
        until = self._walk.broken or self._walk.head
        held = self._walk.held_before(until.size, by_others=self._witnessed)
        first, end = held, until.size
        located = self._locate() if self._walk.stop is None else None
        if located is not None:
            first, end = max(first, located[0]), min(end, located[1])
        text = f"entries and hash tiles fit each other, but not the root that {until.signers} signed"
        if held:
            text += f"; up to size {held} all is as it was signed"
        self._walk.add(kinds.REWRITTEN, until.where, text, first, max(first, end - 1))

    def _locate(self) -> tuple[int, int] | None:
        """Return the first range of entries whose tile is not the one that tiles above it, which are signed, want."""
        size = self._walk.head.size
        below: list[list[bytes]] = []
        try:
            for level in range(1, 8):
                width = self._walk.size_at(level - 1) % WIDTH
                below.append(self._must(level - 1, self._walk.size_at(level - 1) // WIDTH, width) if width else [])
                count = self._walk.size_at(level)
                if self._root_over(level, below) == self._walk.head.root:
                    for index in range(count):
                        wanted = self._must(level, index // WIDTH, min(WIDTH, count - index // WIDTH * WIDTH))
                        if peaks_of(self._must(level - 1, index, WIDTH))[0] != wanted[index % WIDTH]:
                            return index << 8 * level, min(size, (index + 1) << 8 * level)
        except DamageError:
            pass
        return None

    def _root_over(self, level: int, below: Sequence[Sequence[bytes]]) -> bytes:
        """Return the root over the stored hashes of one level, with the right edge of those below."""
        tree, count, last = Tree(), self._walk.size_at(level), list[bytes]()
        for index in range(-(-count // WIDTH)):
            last = self._must(level, index, min(WIDTH, count - index * WIDTH))
            if len(last) == WIDTH:
                tree.add(last)
                last = []
        return tree.root(*below, last)

    def _must(self, level: int, index: int, width: int) -> list[bytes]:
        tile = self._walk.export.tile(level, index, width)
        if tile is None:
            raise DamageError(tile_name(level, index, width))
        return tile

    def _tell_absent(self) -> None:
        """Tell bundles that are missing between others, save those at the start that retention may delete."""
        gone = self._walk.deleted_end // WIDTH
        for first, end in self._walk.absent:
            from_ = max(first, gone) if first == 0 else first
            if from_ < end:
                self._walk.add(
                    kinds.DELETED, tile_name("entries", from_), "no such file", from_ * WIDTH, end * WIDTH - 1
                )

    def _tell_suspects(self) -> None:
        """Say what was done in each bundle that does not fit its tile; those that are only shifted are counted."""
        shifted_from = -1
        for told, index in enumerate(self._walk.suspects):
            if index == shifted_from or told >= MOST_EXPLAINED:
                shifted_from += 1
                self._walk.report.further["bundles that do not fit either"] += 1
                continue
            window = self._window(index)
            kind, first, last, text = what_happened(window, self._index_and_time)
            if kind in {kinds.EDITED, kinds.BACK_DATED} and told == 0 and self._all_the_rest_differs(window, first):
                kind, last, text = self._renumbered(kind, first, last, text)
            elif kind == kinds.DELETED and (last == self._walk.head.size - 1 or first == self._walk.report.entries):
                kind, last = kinds.TRUNCATED, self._walk.head.size - 1
            text += _what_it_reads(window.leaves[first - window.start : last - window.start + 1])
            self._walk.add(kind, tile_name("entries", index, self._width(index)), text, first, last)
            shifted_from = index + 1 if kind in {kinds.DELETED, kinds.INSERTED, kinds.TRUNCATED} else -1

    def _all_the_rest_differs(self, window: Window, first: int) -> bool:
        suspects, last = self._walk.suspects, (self._walk.head.size - 1) // WIDTH
        to_the_end = suspects[-1] == last == suspects[0] + len(suspects) - 1
        return to_the_end and set(window.want).isdisjoint(window.have[first - window.start :])

    def _renumbered(self, kind: str, first: int, last: int, text: str) -> tuple[str, int, str]:
        """Tell entries that were taken out or put in, and all after them numbered anew, by how many there are."""
        entries, size = self._walk.report.entries, self._walk.head.size
        if entries == size:
            return kind, last, text
        text = f"from here on none fits the signed tree of {size}, and there are {entries}: what follows was renumbered"
        return (kinds.DELETED if entries < size else kinds.INSERTED), first + abs(size - entries) - 1, text

    def _width(self, index: int) -> int:
        return min(WIDTH, self._walk.head.size - index * WIDTH)

    def _window(self, index: int) -> Window:
        leaves: list[bytes] = []
        want: list[bytes] = []
        problem = ""
        for at in (index, index + 1):
            width = self._width(at)
            found = self._walk.export.bundle(at, width) if width > 0 and not problem else None
            if found is not None:
                leaves += found[0]
                problem = found[1]
                want += self._wanted(at, width)
        previous = self._walk.export.bundle(index - 1, WIDTH) if index else None
        before = previous[0][-1] if previous and previous[0] else None
        return Window(index * WIDTH, before, leaves, [leaf_of(leaf) for leaf in leaves], want, problem, self._wanted_at)

    def _wanted(self, index: int, width: int) -> list[bytes]:
        try:
            return self._must(0, index, width)
        except DamageError:
            return []

    def _wanted_at(self, index: int) -> bytes | None:
        if not 0 <= index < self._walk.head.size:
            return None
        row = self._wanted(index // WIDTH, self._width(index // WIDTH))
        return row[index % WIDTH] if row else None

    def _index_and_time(self, leaf: bytes) -> tuple[int | None, str]:
        try:
            entry = read_entry(leaf)
        except DamageError:
            return None, ""
        position, time = position_of(entry), entry.get("recorded_at")
        return (None if position is None else position - self._walk.start), (time if isinstance(time, str) else "")

    def _tell_end(self) -> None:
        """Say what is missing at the end, or where it was not possible to go on."""
        size = self._walk.head.size
        last = (size - 1) // WIDTH
        if self._walk.stop is not None:
            index, problem = self._walk.stop
            index = index if self._walk.absent_from is None else self._walk.absent_from * WIDTH
            name = tile_name("entries", index // WIDTH, self._width(index // WIDTH))
            follows = index // WIDTH < last and self._walk.export.bundle(last, size - last * WIDTH) is not None
            held = self._walk.held_before(size, by_others=self._witnessed)
            if self._walk.broken is None:
                self._tell_unproven(min(index, size), held, name)
            if index >= size:
                self._walk.add(kinds.INSERTED, name, f"more entries than the signed size {size}", size, size)
            elif problem:
                self._walk.add(kinds.EDITED, name, f"it cannot be read: {problem}", index, index)
            elif follows:
                self._walk.add(
                    kinds.DELETED, name, "entries and tile are missing", index, (index // WIDTH + 1) * WIDTH - 1
                )
            else:
                self._walk.add(kinds.TRUNCATED, name, f"the entries end here, size {size} is signed", index, size - 1)
        elif self._walk.absent_from is not None:
            name = tile_name("entries", self._walk.absent_from)
            self._walk.add(kinds.TRUNCATED, name, "the bundles end here", self._walk.absent_from * WIDTH, size - 1)


def _what_it_reads(leaves: Sequence[bytes]) -> str:
    """Say what stands in the first leaf concerned, for whoever has to look into it."""
    try:
        entry = read_entry(leaves[0])
    except (DamageError, IndexError):
        return ""
    shown = {name: entry[name] for name in ("event_id", "type", "actor", "subject") if name in entry}
    return f"; what stands there reads {json.dumps(shown)[:300]}"


def _judge_witnesses(walk: Walk, trust: Trust, limits: Limits) -> None:
    """Find entries that no given witness has seen, and that are older than what is forgiven."""
    report, where = walk.report, "checkpoints"
    if not trust.witnesses or walk.broken or walk.stop or not report.size:
        return
    first = max(0, report.cosigned_entries)
    if walk.cosigned is None:
        text = "no checkpoint of this log was cosigned by a witness that was given"
    elif (
        walk.uncosigned_from
        and seconds_between(walk.uncosigned_from, report.last_recorded_at) > limits.uncosigned_seconds
    ):
        text = (
            f"recorded from {walk.uncosigned_from} to {report.last_recorded_at}, and cosigned by no witness that was "
            f"given; the newest cosigned checkpoint is of size {first}"
        )
    else:
        return
    report.add(Finding(kinds.UNCOSIGNED, where, text, walk.start + first, walk.start + report.size - 1))


def _tell_what_was_not_checked(walk: Walk, trust: Trust, *, told: bool) -> None:
    report, add = walk.report, walk.report.not_checked.append
    report.first_position = walk.start
    if not trust.witnesses:
        add("cosignatures (no --witness): whoever holds the log's key could have made another history, unseen")
    elif walk.cosigned is not None:
        newest = max(when for _, when in walk.cosigned.cosigned_by)
        if report.size > report.cosigned_entries:
            count = report.size - report.cosigned_entries
            add(f"the last {count:,} entries by a witness, whose newest cosignature is of {utc(newest)}")
    if not told:
        add("what was cut off after the newest checkpoint in this folder (no --since with one kept elsewhere)")
    if walk.anchors.strangers:
        add(f"{walk.anchors.strangers:,} kept checkpoints that only other keys have signed")
    if walk.anchors.others:
        add(f"{walk.anchors.others:,} files in checkpoints/ that are not named after a size")
    if walk.deleted_end and report.entries < report.size:
        missing = report.size - report.entries
        add(
            f"{missing:,} entries that retention deleted, as the log or --minimum-index says; their hashes were checked"
        )
    if walk.start:
        add(f"that the epoch begins at position {walk.start:,}: its first entry says so")
    add("whether every event became an entry, and what stands in sealed fields")
