"""What somebody who watches the log from outside believes: nothing but keys, signatures and proofs (AU-02).

Invariant: what is believed only grows. A checkpoint becomes the newest that is believed when a key that was known
signed it, and it was proven to extend the one before.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from yoyaku.tlog.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from yoyaku.tlog.errors import MalformedError, ProofError, TlogError, UnverifiedNoteError
from yoyaku.tlog.keys import Algorithm, VerifierKey
from yoyaku.tlog.merkle import verify_consistency
from yoyaku.tlog.note import parse_note

STATE_VERSION = 1


class LogViolatedError(Exception):
    """What the log shows cannot be true beside what it showed before. `kind` is one word for programs."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class UnknownKeysError(Exception):
    """Only keys that are not known signed what is shown: rotated, or a forgery; nobody here can say which."""


class MalformedStateError(ValueError):
    """A state file is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Believed:
    """The log as it is known to somebody outside."""

    origin: str
    log_keys: tuple[VerifierKey, ...]
    witness_keys: tuple[VerifierKey, ...]
    newest: Checkpoint | None = None
    note: str = ""
    """Of the newest, as it was signed: evidence to show."""

    def of_log(self, note: str) -> OpenedCheckpoint:
        """Open what the log says is its newest checkpoint. Raises LogViolatedError, UnknownKeysError."""
        return self._opened(note, "the log")

    def of_witness(self, note: str) -> Checkpoint:
        """Open what the witness says it cosigned last. Raises LogViolatedError, UnknownKeysError."""
        opened = self._opened(note, "the witness")
        if not opened.cosignatures:
            raise LogViolatedError("signature", "what the witness shows bears no cosignature of a known key")
        return opened.checkpoint

    def extended(self, opened: OpenedCheckpoint, proof: Sequence[bytes]) -> Self:
        """Believe a newer checkpoint that extends this one. Raises LogViolatedError."""
        if self.newest is not None:
            check_extends(self.newest, opened.checkpoint, proof, "seen before")
        return replace(self, newest=opened.checkpoint, note=opened.note.encode().decode())

    def with_log_keys(self, told: Iterable[VerifierKey], note: str) -> Self:
        """Take further keys of the log, which signed a note beside a known one: how keys rotate with overlap."""
        new = [key for key in told if key not in self.log_keys and _signed(note, key)]
        return replace(self, log_keys=(*self.log_keys, *new)) if new else self

    def trusting(self, log_keys: Iterable[VerifierKey], witness_keys: Iterable[VerifierKey]) -> Self:
        """Believe further keys that the caller has from elsewhere: how a rotation without overlap is told."""
        return replace(
            self,
            log_keys=tuple(dict.fromkeys((*self.log_keys, *log_keys))),
            witness_keys=tuple(dict.fromkeys((*self.witness_keys, *witness_keys))),
        )

    def _opened(self, note: str, who: str) -> OpenedCheckpoint:
        try:
            found = Checkpoint.parse(parse_note(note).text).origin
            if found != self.origin:
                told = f"{who} shows {found}, known is {self.origin}: a new tree was begun, its first entry says why"
                raise LogViolatedError("new_tree", told)
            return open_checkpoint(note, origin=self.origin, log_keys=self.log_keys, witness_keys=self.witness_keys)
        except UnverifiedNoteError as unknown:
            told = f"what {who} shows is signed by unknown keys: were they rotated? Give the new one with --key"
            raise UnknownKeysError(f"{told} ({unknown})") from unknown
        except TlogError as wrong:
            raise LogViolatedError("signature", f"what {who} shows is not what a known key signed: {wrong}") from wrong

    def to_json(self) -> str:
        """Write it as a state file holds it."""
        told = {
            "v": STATE_VERSION,
            "origin": self.origin,
            "log_keys": [key.vkey for key in self.log_keys],
            "witness_keys": [key.vkey for key in self.witness_keys],
            "note": self.note,
        }
        return json.dumps(told, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a state file. Raises MalformedStateError, also when its checkpoint is not signed by its keys."""
        try:
            told: dict[str, Any] = json.loads(text)
            if told["v"] != STATE_VERSION:
                raise MalformedStateError(f"version {told['v']} is not known here")
            known = cls(told["origin"], keys_of(told["log_keys"]), keys_of(told["witness_keys"]))
            if not told["note"]:
                return known
            return known.extended(known.of_log(told["note"]), ())
        except (KeyError, TypeError, AttributeError, ValueError, LogViolatedError) as odd:
            raise MalformedStateError(f"not a state file of this command: {odd}") from odd
        except UnknownKeysError as odd:
            raise MalformedStateError(f"not a state file of this command: {odd}") from odd


def check_extends(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes], where: str) -> None:
    """See that a tree begins with an older one. Raises LogViolatedError: `truncated` or `forked`."""
    if new.size < old.size:
        told = f"{old.size} entries were {where}, the log has {new.size}: its end was cut off"
        raise LogViolatedError("truncated", told)
    if new.size == old.size and new.root != old.root:
        raise LogViolatedError("forked", f"another root for {old.size} entries was {where}: entries were rewritten")
    if 0 < old.size < new.size:
        try:
            verify_consistency(old.size, new.size, old.root, new.root, proof)
        except ProofError as wrong:
            told = f"the {new.size} entries do not begin with the {old.size} that were {where}: {wrong}"
            raise LogViolatedError("forked", told) from wrong


def _signed(note: str, key: VerifierKey) -> bool:
    try:
        open_checkpoint(note, origin=key.name, log_keys=[key])
    except TlogError:
        return False
    return True


def keys_of(vkeys: Iterable[str]) -> tuple[VerifierKey, ...]:
    """Read verifier keys. Raises MalformedKeyError."""
    return tuple(VerifierKey.parse(vkey) for vkey in vkeys)


def first_belief(note: str, log_keys: Sequence[VerifierKey], witness_keys: Sequence[VerifierKey]) -> Believed:
    """Begin with keys that were given. Raises LogViolatedError when they are not of this log."""
    try:
        origin = Checkpoint.parse(parse_note(note).text).origin
    except MalformedError as odd:
        raise LogViolatedError("signature", f"what the log shows is no checkpoint: {odd}") from odd
    cosigning = tuple(key for key in witness_keys if key.algorithm is Algorithm.COSIGNATURE_V1)
    return Believed(origin, tuple(log_keys), cosigning)
