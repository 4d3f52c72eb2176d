"""What the use cases need of witnesses, and of what is kept about checkpoints.

WitnessAwayError   a witness cannot be asked just now
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.note import Signature


class WitnessAwayError(Exception):
    """A witness did not answer, or not in its protocol; asking again is safe. The message says what happened."""


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """The answer of C2SP tlog-witness `add-checkpoint`."""

    status: int
    content_type: str
    body: bytes


class Witness(Protocol):
    """One witness, wherever it is."""

    @property
    def name(self) -> str:
        """The name of its keys."""

    @property
    def keys(self) -> Sequence[VerifierKey]:
        """The keys it is known by: one, or several while they rotate."""

    async def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """Ask for a cosignature. Raises WitnessAwayError."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint of this log, as it signed it."""

    epoch: int
    origin: str
    size: int
    root: bytes
    note: str
    """With the log's signatures."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a witness refused, because it contradicts what it cosigned before."""

    checkpoint: SignedCheckpoint
    witness: str
    """The name of the witness's keys."""
    held_size: int
    """The size of the newest checkpoint that the witness cosigned."""
    detail: str


class Cosignatures(Protocol):
    """Checkpoints that were signed, and what witnesses said to them. Written while leading only."""

    async def newest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint of the newest epoch; none when nothing was signed in it yet."""

    async def last_cosigned_size(self, epoch: int, keys: Sequence[VerifierKey]) -> int:
        """Return the size of the newest kept checkpoint with a line of one of these keys; 0 without any."""

    async def kept_without(
        self, epoch: int, keys: Sequence[VerifierKey], from_size: int, limit: int
    ) -> Sequence[SignedCheckpoint]:
        """Return kept checkpoints from a size on that have no line of these keys, the smallest first."""

    async def add(
        self, checkpoint: SignedCheckpoint, lines: Sequence[Signature], at: datetime, *, sets_newest: bool
    ) -> None:
        """Keep the verified lines of a witness: with the newest, and with the checkpoint when it is kept for ever.

        `sets_newest`: the checkpoint becomes the newest cosigned one; else lines are only added to it when it is that.
        What is kept for ever is told as `audit.checkpoint.cosigned.v1`, once.
        """

    async def refused(self, refusal: Refusal) -> bool:
        """Keep and tell `audit.integrity.violated.v1` (`checkpoint_refused`); False when it was told before.

        Told once for what the witness holds: further checkpoints that contradict the same one are the same violation.
        """
