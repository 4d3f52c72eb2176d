"""Walks through an export once, in memory for one bundle, and finds what is not as it was signed.

Every entry is hashed and compared with its tile, every tile with the one above, every signed checkpoint with the root
over the entries before it. Source: RFC 6962 section 2.1, C2SP tlog-tiles.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import JSONDecoder
from typing import Any, Final

from . import findings as kinds
from .findings import Finding, Report
from .formats import (
    NOTE_LIMIT,
    WIDTH,
    Checkpoint,
    DamageError,
    Export,
    InputError,
    Tree,
    Trust,
    UnknownSignerError,
    names_of,
    peaks_of,
    tile_name,
)

BODY_LIMIT: Final = 1 << 28
DELETION: Final = "audit.segment.deleted.v1"
"""The type of the fact that a month was deleted because its time is over."""
BEYOND_ALL: Final = 1 << 63
VERSION: Final = 1
MOST_NESTED: Final = 100
TIME: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)
_decode = JSONDecoder().raw_decode
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is forgiven.

    `tolerance_seconds`: by how much a time of recording may lie before the one before it. `uncosigned_seconds`: for how
    long entries may have been recorded that no given witness has seen. `minimum_index`: bundles that end at or before
    this index may be gone (C2SP tlog-tiles, "Pruning"), beside those of which the log says that retention deleted them;
    their hashes are still wanted.
    """

    tolerance_seconds: float = 0.0
    uncosigned_seconds: float = 3600.0
    minimum_index: int = 0


STRICT: Final = Limits()


def read_entry(leaf: bytes) -> dict[str, Any]:
    """Return the entry that a leaf holds. Raises DamageError where it holds none."""
    try:
        text = leaf.decode()
        entry, end = _decode(text)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"not JSON: {str(error)[:80] or 'too deep'}") from None
    if end != len(text) or not isinstance(entry, dict):
        raise DamageError("not one JSON object")
    if leaf.count(b"{") + leaf.count(b"[") > MOST_NESTED and _is_nested_deeper(entry, MOST_NESTED):
        raise DamageError(f"nested more than {MOST_NESTED} deep")
    return entry


def _is_nested_deeper(value: object, levels: int) -> bool:
    inside = [value]
    for _ in range(levels):
        containers = [one for one in inside if isinstance(one, dict | list)]
        inside = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(one, dict | list) for one in inside)


def position_of(entry: dict[str, Any]) -> int | None:
    """Return the position that an entry says, None where it says none that a log can have."""
    position = entry.get("position")
    return position if type(position) is int and 0 <= position < BEYOND_ALL else None


class Anchors:
    """The signed checkpoints, in order of size: those of the export, read when their size is reached, and others."""

    def __init__(self, export: Export, trust: Trust, report: Report) -> None:
        self.extras: list[Checkpoint] = []
        self.elsewhere: list[Checkpoint] = []
        """Those of the extras that were kept elsewhere."""
        self.strangers = 0
        self._export, self._trust, self._report = export, trust, report
        self._at = 0
        self._extras_at = 0
        try:
            self._sizes, self.others = export.kept()
        except DamageError as error:
            raise InputError(str(error)) from None

    def head(self) -> Checkpoint | None:
        """Return the newest checkpoint; where the file is damaged, the newest kept one, and None without any."""
        data = None
        try:
            data = self._export.read("checkpoint", NOTE_LIMIT)
            if data is not None:
                return self._trust.open(data, "checkpoint")
        except UnknownSignerError as error:
            raise InputError(str(error)) from None
        except DamageError as error:
            self._report.add(Finding(kinds.CHECKPOINT, "checkpoint", str(error)))
        else:
            raise InputError("checkpoint: no such file; is this the folder of an export?")
        return self._newest_beyond(-1)

    def names(self) -> Iterator[set[str]]:
        """Yield which keys each checkpoint of the export bears lines of, unverified."""
        for name in ("checkpoint", *(f"checkpoints/{size}" for size in self._sizes)):
            try:
                yield names_of(self._export.read(name, NOTE_LIMIT) or b"")
            except DamageError:
                continue

    def _newest_beyond(self, size: int) -> Checkpoint | None:
        for kept in reversed(self._sizes):
            if kept <= size:
                return None
            checkpoint = self._kept(kept)
            if checkpoint is not None:
                return checkpoint
        return None

    def _kept(self, size: int) -> Checkpoint | None:
        name = f"checkpoints/{size}"
        try:
            data = self._export.read(name, NOTE_LIMIT)
            if data is None:
                return None
            checkpoint = self._trust.open(data, name)
            if checkpoint.size != size:
                raise DamageError(f"{name}: it is of size {checkpoint.size}")
        except UnknownSignerError:
            self.strangers += 1
        except DamageError as error:
            self._report.add(Finding(kinds.CHECKPOINT, name, str(error)))
        else:
            return checkpoint
        return None

    def up_to(self, size: int) -> Iterator[Checkpoint]:
        """Yield, once each, the checkpoints of at most this size, the smaller first."""
        while True:
            extra = self.extras[self._extras_at].size if self._extras_at < len(self.extras) else BEYOND_ALL
            kept = self._sizes[self._at] if self._at < len(self._sizes) else BEYOND_ALL
            if min(extra, kept) > size:
                return
            if extra < kept:
                self._extras_at += 1
                yield self.extras[self._extras_at - 1]
            else:
                self._at += 1
                checkpoint = self._kept(kept)
                if checkpoint is not None:
                    yield checkpoint

    def is_strong(self, checkpoint: Checkpoint) -> bool:
        """Whether the log's key alone could not have made it: a witness signed it, or it was kept elsewhere."""
        return bool(checkpoint.cosigned_by) or any(checkpoint is one for one in self.elsewhere)

    def beyond(self, size: int) -> Checkpoint | None:
        """Return the largest checkpoint of more than this size."""
        found = [self._newest_beyond(size), *(extra for extra in self.extras if extra.size > size)]
        return max((one for one in found if one), key=lambda checkpoint: checkpoint.size, default=None)


class Walk:
    """One pass over the entries; `run` collects, `judge` says what it means."""

    def __init__(self, export: Export, anchors: Anchors, head: Checkpoint, report: Report, limits: Limits) -> None:
        self.export, self.anchors, self.head, self.report, self.limits = export, anchors, head, report, limits
        self.tree = Tree(self.tile_above)
        self.last: list[bytes] = []
        self.suspects = array("q")
        """Bundles that do not hash to their tile."""
        self.misfits: list[str] = []
        """Tiles that do not fit the entries below them; the first few."""
        self.odd: list[Finding] = []
        self.absent: list[tuple[int, int]] = []
        self.absent_from: int | None = None
        self.deleted_end = limits.minimum_index
        """Entries before this index may be gone: retention deleted them, as the log or the caller says."""
        self.stop: tuple[int, str] | None = None
        """At which entry there was nothing to go on with, and why it could not be read."""
        self._start: int | None = 0 if head.origin.endswith("/1") else None
        self._latest = ""
        self._held = [0, 0]
        self._held_by_others = [0, 0]
        self.broken: Checkpoint | None = None
        self.cosigned: Checkpoint | None = None
        self.uncosigned_from = ""

    @property
    def start(self) -> int:
        """The position of the epoch's first entry."""
        return self._start or 0

    def run(self, progress: Progress) -> None:
        """Read everything once."""
        size = self.head.size
        self._compare(0, [], [])
        for index in range(-(-size // WIDTH)):
            width = min(WIDTH, size - index * WIDTH)
            found = self._row(index, width)
            if found is None:
                return
            row, times = found
            self._compare(index * WIDTH, row, times)
            if width == WIDTH:
                self.tree.add(row)
            else:
                self.last = row
            progress(index * WIDTH + width, size)

    def _row(self, index: int, width: int) -> tuple[list[bytes], list[str]] | None:
        """Return the hashes of a bundle's entries to go on with, and their times of recording; None without any."""
        bundle = self.export.bundle(index, width)
        stored = self._stored(0, index, width)
        self._note_absence(index, absent=bundle is None)
        leaves, problem = bundle or ([], "")
        computed = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
        self.report.entries += len(leaves)
        fits = len(leaves) == width and not problem
        if fits and (stored is None or computed == stored or self._is_vouched_for(index, width, computed)):
            if stored is not None and computed != stored:
                self._note_misfit(0, index, width)
            return computed, self._read_entries(index * WIDTH, leaves)
        if stored is None:
            # There is nothing to go on with; smaller checkpoints still say something about what is here.
            self.stop = index * WIDTH + min(width, len(leaves)), problem
            self._compare(index * WIDTH, computed[:width], self._read_entries(index * WIDTH, leaves[:width]))
            return None
        if bundle is not None:
            self.suspects.append(index)
            for at, leaf in enumerate(leaves):
                if self._start is None and computed[at : at + 1] == stored[at : at + 1]:
                    self._start = start_of_epoch(leaf, index * WIDTH + at)
        return stored, []

    def _is_vouched_for(self, index: int, width: int, row: list[bytes]) -> bool:
        """Whether the tree above holds this row: the tile above for a full one, the signed root for the last."""
        if width < WIDTH:
            return self.tree.root(row) == self.head.root
        above = self.size_at(1) - index // WIDTH * WIDTH
        parents = self._stored(1, index // WIDTH, min(WIDTH, above))
        return parents is not None and parents[index % WIDTH] == peaks_of(row)[0]

    def size_at(self, level: int) -> int:
        """Return how many full subtrees a level of the signed tree has."""
        return self.head.size >> 8 * level

    def _stored(self, level: int, index: int, width: int) -> list[bytes] | None:
        try:
            tile = self.export.tile(level, index, width)
        except DamageError as error:
            self.report.add(Finding(kinds.TILE, tile_name(level, index, width), str(error)))
            return None
        if tile is None:
            self.report.add(Finding(kinds.TILE, tile_name(level, index, width), "no such file"))
        elif level == 0:
            self.report.tiles += 1
        return tile

    def tile_above(self, level: int, index: int, row: list[bytes]) -> None:
        """Compare a tile above the leaves with the hashes computed for it."""
        self.report.tiles += 1
        stored = self._stored(level, index, len(row))
        if stored is not None and stored != row:
            self._note_misfit(level, index, len(row))

    def _note_misfit(self, level: int, index: int, width: int) -> None:
        if len(self.misfits) < kinds.SHOWN:
            self.misfits.append(tile_name(level, index, width))
        else:
            self.report.further[kinds.TILE] += 1

    def _note_absence(self, index: int, *, absent: bool) -> None:
        """Keep where runs of absent bundles began and ended; the last may go on to the end of the log."""
        if absent and self.absent_from is None:
            self.absent_from = index
        elif not absent and self.absent_from is not None:
            if len(self.absent) <= kinds.SHOWN:
                self.absent.append((self.absent_from, index))
            else:
                self.report.further[kinds.DELETED] += 1
            self.absent_from = None

    def _note_deletion(self, index: int, entry: dict[str, Any]) -> None:
        """Believe the log when it says, in an entry that the signed tree holds, that older entries were deleted."""
        body = entry.get("body")
        first, count = (body.get("first_position"), body.get("entry_count")) if isinstance(body, dict) else (None, None)
        if type(first) is int and type(count) is int and first + count - self.start <= index:
            self.deleted_end = max(self.deleted_end, first + count - self.start)

    def add(self, kind: str, where: str, text: str, first: int, last: int) -> None:
        """Report what concerns the entries of these indices in the tree."""
        self.report.add(Finding(kind, where, text, self.start + first, self.start + last))

    def _read_entries(self, base: int, leaves: Sequence[bytes]) -> list[str]:
        """Check position, time of recording and body of each; return the times."""
        times = []
        latest, start, tolerant = self._latest, self._start, self.limits.tolerance_seconds
        for index, leaf in enumerate(leaves, base):
            try:
                entry = read_entry(leaf)
                position, time = position_of(entry), entry.get("recorded_at")
                if position is None or type(time) is not str or not TIME.fullmatch(time):
                    raise DamageError("no position or no time of recording in it")
                if entry.get("v") != VERSION:
                    raise DamageError(f"its version is {str(entry.get('v'))[:20]}; this verifier knows {VERSION}")
                if "body_sha256" in entry:
                    self._body(index, entry)
                if entry.get("type") == DELETION:
                    self._note_deletion(index, entry)
            except DamageError as error:
                self._note_odd(kinds.MALFORMED, index, str(error))
                times.append(latest)
                continue
            if start is None:
                start = self._start = start_of_epoch(leaf, index)
            if position != start + index:
                kind = kinds.DELETED if position > start + index else kinds.INSERTED
                self._note_odd(kind, index, f"here stands an entry that says that it is {position}")
            if time < latest and seconds_between(time, latest) > tolerant:
                self._note_odd(kinds.BACK_DATED, index, f"recorded {time}, after an entry that was recorded {latest}")
            latest = max(latest, time)
            times.append(time)
        self._latest = latest
        if times:
            self.report.first_recorded_at = self.report.first_recorded_at or times[0]
            self.report.last_recorded_at = latest
        return times

    def _note_odd(self, kind: str, index: int, text: str) -> None:
        if len(self.odd) < kinds.SHOWN:
            name = tile_name("entries", index // WIDTH, min(WIDTH, self.head.size - index // WIDTH * WIDTH))
            self.odd.append(Finding(kind, name, text, self.start + index, self.start + index))
        else:
            self.report.further[kind] += 1

    def _body(self, index: int, entry: dict[str, Any]) -> None:
        """Compare a body that was too large for its leaf."""
        digest, size = entry["body_sha256"], entry.get("body_size_bytes")
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest) or type(size) is not int:
            raise DamageError("its body beside has no digest or size")
        name = f"bodies/{digest}"
        problem = "no such file"
        try:
            data = self.export.read(name, BODY_LIMIT)
            if data is not None:
                self.report.bodies += 1
                problem = check_body(entry, data)
        except DamageError as error:
            problem = str(error)
        if problem:
            self.add(kinds.BODY, name, problem, index, index)

    def _compare(self, base: int, row: list[bytes], times: list[str]) -> None:
        """Compare the tree with each checkpoint that ends in this row."""
        if self.uncosigned_from == "" and self.cosigned and self.cosigned.size == base and times:
            self.uncosigned_from = times[0]
        for checkpoint in self.anchors.up_to(base + len(row)):
            self.report.checkpoints += 1
            self.report.signatures.update(checkpoint.signed_by)
            self.report.cosignatures.update(name for name, _ in checkpoint.cosigned_by)
            width = checkpoint.size - base
            if self.tree.root(row[:width]) != checkpoint.root:
                if self.broken is None:
                    self.broken = checkpoint
                continue
            if self.broken is None:
                self._note_held(checkpoint)
            if checkpoint.cosigned_by:
                self.cosigned = checkpoint
                self.report.cosigned_entries = checkpoint.size
                self.uncosigned_from = times[width] if width < len(times) else ""

    def _note_held(self, checkpoint: Checkpoint) -> None:
        strong = self.anchors.is_strong(checkpoint)
        for sizes in (self._held, self._held_by_others) if strong else (self._held,):
            if checkpoint.size > sizes[-1]:
                sizes[:] = [sizes[-1], checkpoint.size]

    def held_before(self, size: int, *, by_others: bool) -> int:
        """Return the largest size below this one whose checkpoint holds; on request, not by the log's word alone."""
        return max((held for held in (self._held_by_others if by_others else self._held) if held < size), default=0)


def start_of_epoch(leaf: bytes, index: int) -> int:
    """Return where an epoch begins by the position in one of its entries; 0 by an entry that cannot say."""
    try:
        position = position_of(read_entry(leaf))
    except DamageError:
        return 0
    return 0 if position is None else max(0, position - index)


def check_body(entry: dict[str, Any], data: bytes) -> str:
    """Say why these are not the bytes of an entry's body beside; empty where they are."""
    if len(data) != entry["body_size_bytes"]:
        return f"{len(data)} bytes, where the entry says {entry['body_size_bytes']}"
    return "" if sha256(data).hexdigest() == entry["body_sha256"] else "its SHA-256 is not the one in the entry"


def seconds_between(earlier: str, later: str) -> float:
    """Return seconds between two times of recording; without end where one is no day of the calendar."""
    try:
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except ValueError:
        return float("inf")
