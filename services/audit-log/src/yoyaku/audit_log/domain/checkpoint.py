"""A checkpoint of the log, and when one is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The log vouches for the first `size` leaves of an epoch's tree. `note` is the signed note, whole."""

    epoch: int
    origin: str
    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """What is published of an epoch. Sizes are -1 where there is nothing yet."""

    latest_size: int
    latest_root: bytes | None
    kept_size: int
    kept_at: datetime | None


def is_keeping_due(state: CheckpointState, size: int, now: datetime, keep_every: timedelta) -> bool:
    """Tell whether the checkpoint of this size is to be kept for ever: something is new, and the last one is old."""
    if size <= max(state.kept_size, 0):
        return False
    return state.kept_at is None or now - state.kept_at >= keep_every
