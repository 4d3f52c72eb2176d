"""A proof in one file: entry so and so is in the tree of this signed checkpoint. Source: C2SP tlog-proof.

The file holds no entry: who checks it has the entry's bytes, hashes them with `merkle.leaf_hash`, and trusts some keys.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from yoyaku.tlog.checkpoint import OpenedCheckpoint, open_checkpoint
from yoyaku.tlog.errors import MalformedError, MalformedProofError, shown
from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.merkle import verify_inclusion
from yoyaku.tlog.note import LARGEST_NOTE_BYTES, Note, parse_note
from yoyaku.tlog.strict import HASH_BYTES, LARGEST_SIZE, from_base64, hash_from_base64, integer, text_from, to_base64
from yoyaku.tlog.witness import MOST_HASHES

HEADER: Final = "c2sp.org/tlog-proof@v1"
FILE_SUFFIX: Final = ".tlog-proof"

_EXTRA: Final = "extra "
_INDEX: Final = "index "
_LARGEST_PROOF_BYTES: Final = 2 * LARGEST_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof of inclusion with its checkpoint. Nothing is verified before `verify`."""

    index: int
    """The leaf's place in the tree, zero-based."""
    hashes: tuple[bytes, ...]
    """From the leaf's sibling up to the child of the root; at most 63."""
    note: Note
    """The checkpoint with its signatures."""
    extra: bytes | None = None
    """Whatever the application wants beside; nothing vouches for it."""

    def __post_init__(self) -> None:
        if not 0 <= self.index <= LARGEST_SIZE:
            raise MalformedProofError(f"an index is between 0 and {LARGEST_SIZE}, not {self.index}")
        if len(self.hashes) > MOST_HASHES or any(len(h) != HASH_BYTES for h in self.hashes):
            raise MalformedProofError(f"a proof has at most {MOST_HASHES} hashes of {HASH_BYTES} bytes")

    def encode(self) -> bytes:
        """Write the file."""
        extra = [] if self.extra is None else [_EXTRA + to_base64(self.extra)]
        lines = [HEADER, *extra, f"{_INDEX}{self.index}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.note.encode()

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read the file, at most 2,000,000 bytes. Verifies nothing. Raises MalformedProofError, also for its note."""
        text = text_from(data, MalformedProofError, "proof", _LARGEST_PROOF_BYTES)
        head, empty_line, note = text.partition("\n\n")
        lines = head.split("\n", MOST_HASHES + 3)
        if lines.pop(0) != HEADER:
            raise MalformedProofError(f"the first line is not {HEADER}: {shown(head)}")
        if not empty_line:
            raise MalformedProofError("there is no empty line between the proof and the checkpoint")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = from_base64(lines.pop(0).removeprefix(_EXTRA), MalformedProofError, "extra data")
        if not lines or not lines[0].startswith(_INDEX):
            raise MalformedProofError(f"there is no line that begins with {_INDEX!r} where it should be")
        index = integer(lines.pop(0).removeprefix(_INDEX), MalformedProofError, "index")
        if len(lines) > MOST_HASHES:
            raise MalformedProofError(f"more than {MOST_HASHES} hashes")
        hashes = [hash_from_base64(h, MalformedProofError, f"hash {n} of the proof") for n, h in enumerate(lines)]
        try:
            return cls(index, tuple(hashes), parse_note(note), extra)
        except MalformedError as malformed:
            raise MalformedProofError(f"checkpoint: {malformed}") from None

    def verify(
        self,
        leaf: bytes,
        *,
        origin: str,
        log_keys: Iterable[VerifierKey],
        witness_keys: Iterable[VerifierKey] = (),
    ) -> OpenedCheckpoint:
        """Check that the leaf with this hash is where the proof says, in a checkpoint that a key of the log signed.

        How many of the cosignatures in the answer are enough is the caller's to say. Raises ProofError, and what
        `checkpoint.open_checkpoint` raises.
        """
        opened = open_checkpoint(self.note.encode(), origin=origin, log_keys=log_keys, witness_keys=witness_keys)
        verify_inclusion(self.index, opened.checkpoint.size, leaf, self.hashes, opened.checkpoint.root)
        return opened
