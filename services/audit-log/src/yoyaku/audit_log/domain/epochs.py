"""When a tree must not go on: somebody outside knows of it what the database does not hold (AU-02).

Invariant: no two trees ever have one origin, as far as anybody outside knows: a new epoch has a higher number than any
that is known anywhere.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from yoyaku.audit_log.domain.epoch_numbers import LARGEST_STEP, last_plausible, next_number
from yoyaku.audit_log.domain.new_entry import Epoch, origin_of
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import UnverifiedNoteError, shown
from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.note import parse_note, verify

_ORIGIN: Final = re.compile(
    r"audit\.yoyaku/(?P<environment>[a-z0-9][a-z0-9-]{0,62})/(?P<epoch>[1-9][0-9]{0,8})", re.ASCII
)


class Divergence(StrEnum):
    """Why a new epoch is opened; all but the last are kinds of `audit.integrity.violated.v1`."""

    TRUNCATED = "log_truncated"
    """A checkpoint is known of a tree that is larger, or of an epoch that the database does not know."""
    FORKED = "checkpoint_forked"
    """A checkpoint is known of this tree's past, with another root."""
    DAMAGED = "entry_missing"
    """Rows that the present tree is made of are gone: it cannot go on."""
    MOVED = "environment_changed"
    """The database is that of another environment: its log must not be continued under that name here."""

    @property
    def is_violation(self) -> bool:
        """Whether somebody has to be told that the log's integrity is violated."""
        return self is not Divergence.MOVED


@dataclass(frozen=True, slots=True)
class KnownCheckpoint:
    """A checkpoint of this environment's log that is known outside of the database, its signatures verified."""

    epoch: int
    size: int
    root: bytes
    note: str
    known_by: str
    """Who knows it, for people."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What is known outside and cannot be true beside the database."""

    divergence: Divergence
    known: KnownCheckpoint | None
    """None when the environment changed, or nobody knows one."""
    next_epoch: int
    """The number for the tree that begins now."""
    detail: str = ""
    """What is wrong with the epoch's own row, for people; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the database itself says of its epochs, beside the newest row: a superuser may have changed any of it."""

    numbers: frozenset[int] = frozenset()
    """Every number of an epoch that stands anywhere."""
    origins: frozenset[str] = frozenset()
    """What the checkpoints and the first entry of the newest epoch name."""
    is_signed: bool = False
    """Whether its newest checkpoint names the row's origin, and a key of this log signed it."""


def epoch_of(origin: str) -> int:
    """Read the number of the epoch that an origin names. Raises ValueError for another name."""
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise ValueError(f"no origin of an audit log: {origin}")
    return int(found["epoch"])


def known_checkpoint(note: str, origin: str, keys: Iterable[VerifierKey], known_by: str) -> KnownCheckpoint:
    """Read what somebody outside says is a checkpoint of `origin`. Raises TlogError unless one of the keys signed it.

    `keys` are the log's or a witness's: each has verified what it signs.
    """
    parsed = parse_note(note)
    verify(parsed, keys)
    checkpoint = Checkpoint.parse(parsed.text)
    if checkpoint.origin != origin:
        raise UnverifiedNoteError(f"the checkpoint is of {shown(checkpoint.origin)}, not of {shown(origin)}")
    return KnownCheckpoint(epoch_of(origin), checkpoint.size, checkpoint.root, note, known_by)


def sizes_to_compare(epoch: Epoch, size: int, known: Iterable[KnownCheckpoint]) -> list[int]:
    """Name the sizes at which the root of the present tree has to be known for `contradiction`."""
    return sorted({one.size for one in known if one.epoch == epoch.number and one.size <= size})


def contradiction(
    epoch: Epoch,
    size: int,
    roots: dict[int, bytes],
    known: Sequence[KnownCheckpoint],
    environment: str,
    *,
    stated: Stated | None = None,
) -> Contradiction | None:
    """Tell whether the tree of `epoch`, of `size` leaves, may go on; None when nothing speaks against it.

    `roots`: the tree's own, at least at `sizes_to_compare`; empty bytes for one that cannot be read any more. Of
    several checkpoints that contradict it the newest is named: the highest epoch, then the largest. `stated`: what the
    database says beside the row of the epoch, which is damaged when both differ.
    """
    stated = stated or Stated()
    next_epoch = next_number({epoch.number, *stated.numbers}, [one.epoch for one in known])
    damage = damage_of(epoch, known, environment, stated)
    wrong = [(one, divergence) for one in known if (divergence := _against(epoch, size, roots, one)) is not None]
    if wrong:
        newest, divergence = max(wrong, key=lambda pair: (pair[0].epoch, pair[0].size))
        return Contradiction(divergence, newest, next_epoch, damage)
    if damage:
        best = max(known, key=lambda one: (one.epoch, one.size), default=None)
        return Contradiction(Divergence.FORKED, best, next_epoch, damage)
    if epoch.origin != origin_of(environment, epoch.number):
        return Contradiction(Divergence.MOVED, None, next_epoch)
    return None


def damage_of(epoch: Epoch, known: Iterable[KnownCheckpoint], environment: str, stated: Stated) -> str:
    """Tell why the row of an epoch cannot be what the log wrote; empty when it can.

    Another environment's is believed only when all that is known agrees on it: a name that was changed in the row
    would otherwise end a tree without an alarm.
    """
    row = f"the row of epoch {epoch.number} names {shown(epoch.origin)}"
    try:
        named = epoch_of(epoch.origin)
    except ValueError:
        named = 0
    if named != epoch.number:
        return f"{row}, which is not its number"
    if epoch.number > last_plausible(stated.numbers - {epoch.number}, [one.epoch for one in known]) + LARGEST_STEP:
        return f"the number {epoch.number} does not follow that of any other epoch"
    if others := sorted(stated.origins - {epoch.origin}):
        return f"{row}, but its checkpoints or its first entry say {shown(others[0])}"
    if epoch.origin == origin_of(environment, epoch.number):
        return ""
    if any(one.epoch >= epoch.number for one in known):
        return f"{row}, but this environment's epoch of that number or a later one is known"
    return "" if stated.is_signed else f"{row}, but no checkpoint under that name is signed by a key of this log"


def _against(epoch: Epoch, size: int, roots: dict[int, bytes], known: KnownCheckpoint) -> Divergence | None:
    if known.epoch > epoch.number:
        return Divergence.TRUNCATED
    if known.epoch < epoch.number:
        return None
    if known.size > size:
        return Divergence.TRUNCATED
    return Divergence.FORKED if roots[known.size] != known.root else None
