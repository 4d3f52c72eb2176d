"""What is wrong with stored entries, told from themselves and from what the tree holds of them.

An entry says its position and its time; the tree says what each entry hashes to; the row's other columns are copies.
Invariant: an entry with which nothing is wrong gives no finding; whichever of leaf, hash, columns, order and time was
changed by hand gives one that names the position.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from yoyaku.audit_log.domain.leaf import Leaf, MalformedLeafError, text_of
from yoyaku.tlog.merkle import leaf_hash

NOTHING_SHA256 = sha256(b"").digest()
"""Stands for the digest of what is not there."""


class FindingKind(StrEnum):
    """What was done, as far as it can be told."""

    ENTRY_EDITED = "entry_edited"
    """An entry does not hash to what the tree holds."""
    ENTRY_MISSING = "entry_missing"
    """A position has no entry."""
    ENTRY_INSERTED = "entry_inserted"
    """A position has two entries, or one that was never given out has one."""
    ENTRY_MOVED = "entry_moved"
    """An entry stands at a position other than its own."""
    ENTRY_BACK_DATED = "entry_back_dated"
    """An entry says it was recorded before the one in front of it, or elsewhere in time than its row."""
    COLUMNS_EDITED = "columns_edited"
    """The entry is whole, the columns it is found by say something else."""
    TILE_REWRITTEN = "tile_rewritten"
    """The stored hashes fit the entries, and do not lead to the signed root."""
    LOG_TRUNCATED = "log_truncated"
    """A checkpoint vouches for more entries than there are."""
    CHECKPOINT_FORKED = "checkpoint_forked"
    """A checkpoint vouches for other entries than there are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `expected` and `found` are SHA-256 digests of 32 bytes, NOTHING_SHA256 for nothing."""

    kind: FindingKind
    position: int
    """The first bad entry; of a checkpoint that is wrong the first entry for which it may be."""
    detail: str
    expected: bytes = NOTHING_SHA256
    found: bytes = NOTHING_SHA256
    event_id: str | None = None
    source: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of the log as it is stored."""

    position: int
    recorded_at: datetime
    leaf: bytes
    leaf_hash: bytes
    event_id: str | None
    source: str
    number: int
    type: str
    occurred_at: datetime | None
    actor: str | None
    subject: str | None
    correlation_id: str | None


@dataclass(slots=True)
class Inspector:
    """Walks over rows in order of position; remembers where it is and the latest time of recording seen."""

    next_position: int
    recorded_at: datetime | None = None

    def walk(self, rows: Sequence[StoredRow], end: int, tree_hashes: Sequence[bytes] | None) -> Iterator[Finding]:
        """Look at the rows found between `next_position` and `end` (excluded), and go on to `end`.

        `tree_hashes`: what the tree holds for each of these positions; none where no full tile holds them yet.
        """
        first = self.next_position
        by_position: dict[int, list[StoredRow]] = {}
        for row in rows:
            by_position.setdefault(row.position, []).append(row)
        for position in range(first, end):
            here = by_position.get(position, [])
            expected = tree_hashes[position - first] if tree_hashes is not None else None
            if not here:
                yield Finding(
                    FindingKind.ENTRY_MISSING,
                    position,
                    f"entry {position} is not there",
                    expected=expected or NOTHING_SHA256,
                )
            for row in here[1:]:
                yield _of(row, FindingKind.ENTRY_INSERTED, f"position {position} has another entry", row.leaf_hash)
            for row in here[:1]:
                yield from self._inspect(row, expected)
        self.next_position = end

    def _inspect(self, row: StoredRow, expected: bytes | None) -> Iterator[Finding]:
        found = leaf_hash(row.leaf)
        vouched = row.leaf_hash if expected is None else expected
        if found != vouched:
            yield self._misfit(row, vouched, found)
        elif row.leaf_hash != vouched:
            yield _of(row, FindingKind.COLUMNS_EDITED, "the hash beside the entry is not the entry's", vouched, found)
        try:
            members = Leaf(row.leaf).members
        except MalformedLeafError as odd:
            if found == vouched:
                yield _of(row, FindingKind.ENTRY_EDITED, f"the entry cannot be read: {odd}", vouched, found)
            return
        if found == vouched:
            yield from self._compare(row, members, found)
        if self.recorded_at is not None and row.recorded_at < self.recorded_at:
            told = f"recorded at {text_of(row.recorded_at)}, before the entry in front of it"
            yield _of(row, FindingKind.ENTRY_BACK_DATED, told, vouched, found)
        self.recorded_at = max(row.recorded_at, self.recorded_at or row.recorded_at)

    def _misfit(self, row: StoredRow, vouched: bytes, found: bytes) -> Finding:
        try:
            own = Leaf(row.leaf).members.get("position")
        except MalformedLeafError:
            own = row.position
        if own != row.position and isinstance(own, int):
            told = f"entry {own} stands at position {row.position}"
            return _of(row, FindingKind.ENTRY_MOVED, told, vouched, found)
        told = f"entry {row.position} is not the one that was recorded"
        return _of(row, FindingKind.ENTRY_EDITED, told, vouched, found)

    def _compare(self, row: StoredRow, members: dict[str, object], found: bytes) -> Iterator[Finding]:
        if members.get("recorded_at") != text_of(row.recorded_at):
            told = f"its row says {text_of(row.recorded_at)}, the entry {members.get('recorded_at')}"
            yield _of(row, FindingKind.ENTRY_BACK_DATED, told, found, found)
        columns = {
            "position": row.position,
            "event_id": row.event_id,
            "source": row.source,
            "number": row.number,
            "type": row.type,
            "occurred_at": None if row.occurred_at is None else text_of(row.occurred_at),
            "actor": row.actor,
            "subject": row.subject,
            "correlation_id": row.correlation_id,
        }
        changed = sorted(name for name, value in columns.items() if members.get(name) != value)
        if changed:
            told = f"the columns {', '.join(changed)} do not say what the entry says"
            digest = sha256(repr([columns[name] for name in changed]).encode()).digest()
            yield _of(row, FindingKind.COLUMNS_EDITED, told, found, digest)


def beyond_the_end(rows: Iterable[StoredRow], next_position: int) -> Iterator[Finding]:
    """Name rows at positions that were never given out."""
    for row in rows:
        told = f"position {row.position} was never given out: the log ends before {next_position}"
        yield _of(row, FindingKind.ENTRY_INSERTED, told, NOTHING_SHA256, leaf_hash(row.leaf))


def _of(
    row: StoredRow, kind: FindingKind, detail: str, expected: bytes = NOTHING_SHA256, found: bytes = NOTHING_SHA256
) -> Finding:
    return Finding(kind, row.position, detail, expected, found, row.event_id, row.source, row.number)
