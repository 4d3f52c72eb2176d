"""What the witness knows, whom it trusts, and when it cosigns. Source: C2SP tlog-witness.

Invariant: of two checkpoints of one origin that it cosigns, one extends the other, and the later one is not smaller.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey
from yoyaku.tlog.merkle import EMPTY_ROOT
from yoyaku.tlog.note import Note, Signature, verify
from yoyaku.tlog.witness import OpenedRequest, RefusedError, Status, check_extends

_EPOCH: Final = r"/[1-9][0-9]{0,8}"


def witness_name(environment: str) -> str:
    """Name the keys of the witness of an environment."""
    return f"witness.yoyaku/{environment}"


def witness_keys(environment: str, seeds: Iterable[bytes]) -> list[SigningKey]:
    """Make the keys of the witness from Ed25519 seeds of 32 bytes. Raises MalformedKeyError."""
    return [SigningKey(witness_name(environment), seed, Algorithm.COSIGNATURE_V1) for seed in seeds]


@dataclass(frozen=True, slots=True)
class TrustedLogs:
    """The audit logs of one environment: `audit.yoyaku/<environment>/<epoch>`, all with the same keys."""

    environment: str
    public_keys: Callable[[], Sequence[bytes]]
    """Ed25519, 32 bytes each; any one of them is enough. Asked each time, since they rotate."""

    def keys_of(self, origin: str) -> Sequence[VerifierKey] | None:
        """Return the keys that may sign for an origin; none when it is no log of this environment."""
        if not re.fullmatch(re.escape(f"audit.yoyaku/{self.environment}") + _EPOCH, origin, re.ASCII):
            return None
        return [VerifierKey(origin, Algorithm.ED25519, key) for key in self.public_keys()]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest checkpoint of an origin that was cosigned."""

    checkpoint: Checkpoint
    note: Note = field(repr=False)
    """With the verified signatures of the log and those of the witness, and no others."""
    vkeys: tuple[str, ...]
    """The keys of the witness that cosigned it."""
    time: int
    """When, in seconds since the Epoch."""
    is_contradicted: bool = False
    """Whether size and root beside the note in the memory are not the note's: somebody else wrote there."""

    @property
    def cosignatures(self) -> tuple[Signature, ...]:
        """The lines of the witness's own keys."""
        own = {(key.name, key.key_id) for key in map(VerifierKey.parse, self.vkeys)}
        return tuple(one for one in self.note.signatures if (one.name, one.key_id) in own)


class DamagedMemoryError(Exception):
    """The witness's memory holds what it never wrote; nothing is cosigned until somebody has looked."""


class ForkedError(RefusedError):
    """There is another tree of the very size that was cosigned: 409 without a size, since no other proof would help."""


def extended(
    opened: OpenedRequest,
    newest: Witnessed | None,
    *,
    log_keys: Sequence[VerifierKey],
    keys: Sequence[SigningKey],
    now: int,
) -> Witnessed:
    """Cosign a checkpoint with every key, if it extends the newest one. `now` in seconds since the Epoch.

    A cosignature says that nothing larger was seen by its time, so times never go back, whatever the clock does. The
    same checkpoint may be cosigned again. Raises RefusedError (409 with the size, 422), ForkedError.
    """
    checkpoint, text = opened.checkpoint, opened.request.note.text
    size, root = (newest.checkpoint.size, newest.checkpoint.root) if newest else (0, EMPTY_ROOT)
    if opened.request.old_size == checkpoint.size == size and checkpoint.root != root:
        why = f"the cosigned tree of size {size} has the root {root.hex()}, not {checkpoint.root.hex()}"
        raise ForkedError(Status.CONFLICT, why)
    check_extends(opened, newest.checkpoint if newest else None)
    time = max(now, newest.time if newest else now)
    lines = [cosign(text, key, time) for key in keys]
    note = Note(text, (*verify(opened.request.note, log_keys), *lines))
    return Witnessed(checkpoint, note, tuple(key.vkey for key in keys), time)
