"""What a log and a witness say to each other, whatever carries it. Source: C2SP tlog-witness, "add-checkpoint".

The log sends `AddCheckpoint.encode()`. The witness reads it with `open_request`, then, holding its record of that
origin so that nobody else changes it, asks `check_extends`, records the new checkpoint, and answers 200 with
`encode_cosignatures`. Both raise RefusedError with the status and body to answer instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import (
    InvalidSignatureError,
    MalformedError,
    MalformedRequestError,
    ProofError,
    TlogError,
    UnverifiedNoteError,
    shown,
)
from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.merkle import EMPTY_ROOT, verify_consistency
from yoyaku.tlog.note import LARGEST_NOTE_BYTES, Note, Signature, parse_note, parse_signatures, verify
from yoyaku.tlog.strict import HASH_BYTES, LARGEST_SIZE, hash_from_base64, integer, text_from, to_base64

MOST_HASHES: Final = 63
"""No proof has more: a tree has at most 63 levels above its leaves."""

SIZE_MEDIA_TYPE: Final = "text/x.tlog.size"
"""Content-Type of the body of a 409."""

_OLD: Final = "old "
_LARGEST_REQUEST_BYTES: Final = LARGEST_NOTE_BYTES + 10_000


class Status(IntEnum):
    """How a witness answers, in the codes of HTTP."""

    OK = 200
    """Cosigned; the body is one signature line or more."""
    BAD_REQUEST = 400
    """The body is malformed, or the old size is larger than the new one."""
    FORBIDDEN = 403
    """No signature of a known key of the log, or one that does not verify."""
    NOT_FOUND = 404
    """The witness does not know the origin."""
    CONFLICT = 409
    """The old size is not that of the witness's newest checkpoint; the body tells that size."""
    UNPROCESSABLE = 422
    """The proof does not hold: the log does not extend what the witness saw, unless the request was a mistake."""


class RefusedError(TlogError):
    """The witness does not cosign. Carries the answer; the message says why."""

    def __init__(self, status: Status, why: str, body: str = "") -> None:
        super().__init__(why)
        self.status: Final = status
        self.body: Final = body


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The request: cosign this checkpoint, which extends the one that you cosigned at `old_size`."""

    old_size: int
    """0 when the witness cosigned none yet; the proof is empty then."""
    proof: tuple[bytes, ...]
    """At most 63 hashes (RFC 6962, section 2.1.2)."""
    note: Note

    def __post_init__(self) -> None:
        if not 0 <= self.old_size <= LARGEST_SIZE:
            raise MalformedRequestError(f"an old size is between 0 and {LARGEST_SIZE}, not {self.old_size}")
        if len(self.proof) > MOST_HASHES or any(len(h) != HASH_BYTES for h in self.proof):
            raise MalformedRequestError(f"a proof has at most {MOST_HASHES} hashes of {HASH_BYTES} bytes")

    def encode(self) -> bytes:
        """Write the body of the request."""
        lines = [f"{_OLD}{self.old_size}", *map(to_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note.encode()

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read the body of the request. Verifies nothing. Raises MalformedRequestError, also for a malformed note."""
        text = text_from(data, MalformedRequestError, "request", _LARGEST_REQUEST_BYTES)
        head, empty_line, note = text.partition("\n\n")
        if not empty_line:
            raise MalformedRequestError("there is no empty line between the proof and the checkpoint")
        first, *hashes = head.split("\n", MOST_HASHES + 1)
        if not first.startswith(_OLD):
            raise MalformedRequestError(f"the first line does not begin with {_OLD!r}: {shown(first)}")
        if len(hashes) > MOST_HASHES:
            raise MalformedRequestError(f"more than {MOST_HASHES} hashes of a proof")
        old_size = integer(first.removeprefix(_OLD), MalformedRequestError, "old size")
        proof = [
            hash_from_base64(line, MalformedRequestError, f"hash of the proof (line {number})")
            for number, line in enumerate(hashes, 2)
        ]
        try:
            return cls(old_size, tuple(proof), parse_note(note))
        except MalformedError as malformed:
            raise MalformedRequestError(f"checkpoint: {malformed}") from None


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request for a checkpoint that a known log signed."""

    request: AddCheckpoint
    checkpoint: Checkpoint


def open_request(data: bytes | str, logs: Mapping[str, Sequence[VerifierKey]]) -> OpenedRequest:
    """Read a request, and check all that needs no record: that a key of its origin signed it. `logs` is by origin.

    Raises RefusedError: 400, 403, 404.
    """
    try:
        request = AddCheckpoint.parse(data)
        checkpoint = Checkpoint.parse(request.note.text)
    except MalformedError as malformed:
        raise RefusedError(Status.BAD_REQUEST, str(malformed)) from None
    if checkpoint.origin not in logs:
        raise RefusedError(Status.NOT_FOUND, f"unknown origin {shown(checkpoint.origin)}")
    try:
        verify(request.note, logs[checkpoint.origin])
    except (UnverifiedNoteError, InvalidSignatureError) as refused:
        raise RefusedError(Status.FORBIDDEN, str(refused)) from None
    if request.old_size > checkpoint.size:
        why = f"the old size {request.old_size} is larger than the tree size {checkpoint.size}"
        raise RefusedError(Status.BAD_REQUEST, why)
    return OpenedRequest(request, checkpoint)


def check_extends(opened: OpenedRequest, latest: Checkpoint | None) -> None:
    """Check that the checkpoint extends the newest one that was cosigned of its origin; None when there is none.

    To be asked while nobody else can change the record of that origin, or two requests at once could roll it back.
    Raises RefusedError: 409 with the recorded size, 422.
    """
    request, checkpoint = opened.request, opened.checkpoint
    size, root = (latest.size, latest.root) if latest else (0, EMPTY_ROOT)
    if request.old_size != size:
        why = f"the newest cosigned checkpoint has size {size}, not {request.old_size}"
        raise RefusedError(Status.CONFLICT, why, encode_size(size))
    try:
        verify_consistency(size, checkpoint.size, root, checkpoint.root, request.proof)
    except ProofError as wrong:
        raise RefusedError(Status.UNPROCESSABLE, str(wrong)) from None


def encode_size(size: int) -> str:
    """Write the body of a 409."""
    return f"{size}\n"


def parse_size(data: bytes | str) -> int:
    """Read the body of a 409: the size from which the witness wants the proof. Raises MalformedRequestError."""
    text = text_from(data, MalformedRequestError, "answer of the witness", 100)
    if not text.endswith("\n"):
        raise MalformedRequestError("the answer of the witness does not end in a newline")
    return integer(text[:-1], MalformedRequestError, "size in the answer of the witness")


def encode_cosignatures(signatures: Iterable[Signature]) -> str:
    """Write the body of a 200."""
    return "".join(signature.line() for signature in signatures)


def parse_cosignatures(data: bytes | str, text: str, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """Read the body of a 200 to the checkpoint of this text: the cosignatures of these witness keys, verified.

    Raises MalformedRequestError for a body that is none, UnverifiedNoteError when none is of a known key,
    InvalidSignatureError when one does not verify.
    """
    lines = text_from(data, MalformedRequestError, "answer of the witness", LARGEST_NOTE_BYTES)
    try:
        signatures = parse_signatures(lines)
    except MalformedError as malformed:
        raise MalformedRequestError(f"answer of the witness: {malformed}") from None
    return verify(Note(text, signatures), keys)
