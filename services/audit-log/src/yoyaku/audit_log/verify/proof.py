"""Checks a proof file: a C2SP tlog-proof whose `extra` line holds the leaf, so that it needs nothing beside it.

Source: C2SP tlog-proof, "Format" and "Verifying a tlog proof"; RFC 6962 section 2.1.1.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .formats import (
    HASH,
    SIZE,
    Checkpoint,
    DamageError,
    InputError,
    Key,
    Trust,
    UnknownSignerError,
    decode_base64,
    leaf_of,
    proven_root,
    utc,
)
from .walk import check_body, read_entry, start_of_epoch

HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry of which a signed checkpoint says that it is in the log, at this index of its epoch's tree."""

    index: int
    leaf: bytes
    entry: dict[str, Any]
    checkpoint: Checkpoint
    not_checked: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "index": self.index,
            "origin": self.checkpoint.origin,
            "size": self.checkpoint.size,
            "root": base64.b64encode(self.checkpoint.root).decode(),
            "signed_by": list(self.checkpoint.signed_by),
            "cosigned_by": [{"witness": name, "at": utc(when)} for name, when in self.checkpoint.cosigned_by],
            "entry": self.entry,
            "not_checked": list(self.not_checked),
        }

    def lines(self) -> Iterator[str]:
        """Say it to people."""
        yield f"PROVEN  entry {self.entry.get('position')} of {self.checkpoint.origin}"
        for name in (
            "recorded_at",
            "occurred_at",
            "type",
            "actor",
            "subject",
            "correlation_id",
            "source",
            "number",
            "event_id",
        ):
            if name in self.entry:
                yield f"{name.replace('correlation_id', 'correlation') + ':':14}{json.dumps(self.entry[name])}"
        if "body" in self.entry:
            yield f"{'body:':14}{json.dumps(self.entry['body'])}"
        yield f"{'tree:':14}{self.checkpoint.size:,} entries, signed by {', '.join(self.checkpoint.signed_by)}"
        for name, when in self.checkpoint.cosigned_by:
            yield f"{'cosigned:':14}{utc(when)} by {name}"
        for text in self.not_checked:
            yield f"not checked:  {text}"


def check(data: bytes, *, keys: Sequence[Key], witnesses: Sequence[Key] = (), body: bytes | None = None) -> Proven:
    """Return what the file proves. `body`: the bytes of a body that is beside its leaf.

    Raises DamageError where it proves nothing, InputError where none of the keys has signed its checkpoint.
    """
    index, leaf, proof, note = _parts(data)
    try:
        checkpoint = Trust(keys, witnesses).open(note, "checkpoint")
    except UnknownSignerError as error:
        raise InputError(str(error)) from None
    if not checkpoint.signed_by:
        raise InputError("checkpoint: no key of the log that was given has signed it")
    if index >= checkpoint.size:
        raise DamageError(f"index {index} is not in a tree of {checkpoint.size} entries")
    if proven_root(index, checkpoint.size, leaf_of(leaf), proof) != checkpoint.root:
        raise DamageError("the entry is not in the signed tree: its proof does not lead to the root of the checkpoint")
    if witnesses and not checkpoint.cosigned_by:
        raise DamageError("checkpoint: no witness that was given has cosigned it")
    entry = read_entry(leaf)
    not_checked = [] if witnesses else ["cosignatures (no --witness): the log may have shown others another tree"]
    if checkpoint.origin.endswith("/1") and entry.get("position") != index:
        raise DamageError(f"the entry says that it is {str(entry.get('position'))[:40]}, but it stands at {index}")
    if start_of_epoch(leaf, index):
        not_checked.append("that the epoch begins where the position in the entry says")
    if "body_sha256" in entry and body is None:
        not_checked.append(f"the body beside the entry (--body), SHA-256 {str(entry['body_sha256'])[:64]}")
    elif body is not None:
        problem = check_body(entry, body) if "body_sha256" in entry else "the entry has no body beside it"
        if problem:
            raise DamageError(f"body: {problem}")
    return Proven(index, leaf, entry, checkpoint, tuple(not_checked))


def _parts(data: bytes) -> tuple[int, bytes, list[bytes], bytes]:
    """Return index, leaf, proof and the note of the checkpoint."""
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise DamageError("not a tlog-proof: its head is not ASCII") from None
    if lines.pop(0) != HEADER or not blank:
        raise DamageError(f"not a tlog-proof: it does not begin with {HEADER!r}")
    if not lines or not lines[0].startswith("extra "):
        raise DamageError("the file holds no entry: it has no `extra` line")
    leaf = decode_base64(lines.pop(0).removeprefix("extra "))
    word, _, number = lines.pop(0).partition(" ") if lines else ("", "", "")
    if word != "index" or not SIZE.fullmatch(number):
        raise DamageError("not a tlog-proof: it has no `index` line")
    proof = [decode_base64(line) for line in lines]
    if len(proof) > 63 or any(len(part) != HASH for part in proof):
        raise DamageError("not a tlog-proof: a proof is at most 63 hashes of 32 bytes")
    return int(number), leaf, proof, note
