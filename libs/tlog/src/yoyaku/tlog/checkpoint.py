"""Checkpoints: what a log signs about its tree. Source: C2SP tlog-checkpoint.

A checkpoint is the text of a signed note: the log's origin, the tree's size, its root. `open_checkpoint` is how one
from elsewhere is read: it gives nothing unless a key of the log signed it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from yoyaku.tlog.errors import MalformedCheckpointError, UnverifiedNoteError, shown
from yoyaku.tlog.keys import SigningKey, VerifierKey
from yoyaku.tlog.note import LARGEST_NOTE_BYTES, Note, Signature, parse_note, sign, verify
from yoyaku.tlog.strict import HASH_BYTES, LARGEST_SIZE, hash_from_base64, integer, text_from, to_base64

_MANDATORY_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree as its log states it. What is made here can be written: wrong parts raise MalformedCheckpointError."""

    origin: str
    size: int
    """Leaves, 0 to 2**63 - 1."""
    root: bytes
    """32 bytes."""
    extensions: tuple[str, ...] = ()
    """Lines after the third, kept but never trusted: nothing audits them."""

    def __post_init__(self) -> None:
        if not 0 <= self.size <= LARGEST_SIZE:
            raise MalformedCheckpointError(f"a tree size is between 0 and {LARGEST_SIZE}, not {self.size}")
        if len(self.root) != HASH_BYTES:
            raise MalformedCheckpointError(f"a root has {HASH_BYTES} bytes, not {len(self.root)}")
        for what, line in [("origin", self.origin), *(("extension line", e) for e in self.extensions)]:
            text_from(line, MalformedCheckpointError, what, LARGEST_NOTE_BYTES)
            if not line or "\n" in line:
                raise MalformedCheckpointError(f"the {what} is empty or more than one line: {shown(line)}")

    def text(self) -> str:
        """Write the text that is signed, final newline included."""
        return "\n".join([self.origin, str(self.size), to_base64(self.root), *self.extensions, ""])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint note. Raises MalformedCheckpointError."""
        text_from(text, MalformedCheckpointError, "checkpoint", LARGEST_NOTE_BYTES)
        if not text.endswith("\n"):
            raise MalformedCheckpointError("a checkpoint does not end in a newline")
        lines = text[:-1].split("\n")
        if len(lines) < _MANDATORY_LINES:
            raise MalformedCheckpointError(f"a checkpoint has at least {_MANDATORY_LINES} lines, not {len(lines)}")
        size = integer(lines[1], MalformedCheckpointError, "tree size (line 2)")
        root = hash_from_base64(lines[2], MalformedCheckpointError, "root (line 3)")
        return cls(lines[0], size, root, tuple(lines[_MANDATORY_LINES:]))

    def sign(self, keys: Iterable[SigningKey]) -> Note:
        """Sign it with the log's keys."""
        return sign(self.text(), keys)


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint of which the log's signature was verified."""

    checkpoint: Checkpoint
    note: Note
    """As it came, with the signatures of strangers too."""
    signatures: tuple[Signature, ...]
    """The verified ones of the log's keys, at least one."""
    cosignatures: tuple[Signature, ...]
    """The verified ones of the witnesses, at most one a witness key, maybe none."""


def open_checkpoint(
    data: bytes | str, *, origin: str, log_keys: Iterable[VerifierKey], witness_keys: Iterable[VerifierKey] = ()
) -> OpenedCheckpoint:
    """Read a checkpoint from elsewhere, and verify it: a key of the log signed it, and it is of that origin.

    How many cosignatures are enough is the caller's to say. Raises MalformedNoteError, MalformedCheckpointError,
    UnverifiedNoteError (not one signature of the log, or another origin), InvalidSignatureError (a signature of a known
    log or witness key is wrong).
    """
    note = parse_note(data)
    signatures = verify(note, log_keys)
    try:
        cosignatures = verify(note, witness_keys)
    except UnverifiedNoteError:
        cosignatures = ()
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin:
        raise UnverifiedNoteError(f"the checkpoint is of {shown(checkpoint.origin)}, not of {shown(origin)}")
    return OpenedCheckpoint(checkpoint, note, signatures, cosignatures)
