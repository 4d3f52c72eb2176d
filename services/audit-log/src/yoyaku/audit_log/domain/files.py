"""The files of the log as others read them: which there are, and what their paths look like.

Source: C2SP tlog-tiles; `checkpoints/<size>` and `bodies/<sha256>` are ours (docs/api/audit-formats.md).
"""

import json
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.tiles import BundleId, TileId, entries_path, parse_path, tile_path

CHECKPOINT: Final = "checkpoint"
CHECKPOINT_INDEX: Final = "checkpoints/index"
LONGEST_PATH: Final = 200

_SIZE: Final = re.compile(r"checkpoints/(0|[1-9][0-9]{0,18})", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAMES_A_BODY: Final = b'"body_sha256":"'
_BODY: Final = re.compile(r"bodies/([0-9a-f]{64})", re.ASCII)


class NoSuchFileError(Exception):
    """The layout has no file of this name; the message says why."""


@dataclass(frozen=True, slots=True)
class NewestCheckpoint:
    """`checkpoint`."""


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """`checkpoints/<size>`."""

    size: int


@dataclass(frozen=True, slots=True)
class CheckpointIndex:
    """`checkpoints/index`: size and time of every kept checkpoint, a line each. Served, never exported."""


@dataclass(frozen=True, slots=True)
class Body:
    """`bodies/<sha256>`: a body that its leaf was too small for."""

    sha256: str


File: TypeAlias = NewestCheckpoint | KeptCheckpoint | CheckpointIndex | Body | TileId | BundleId


def file_of(path: str) -> File:
    """Read a path. Raises NoSuchFileError for every other spelling, so each file has one path only."""
    if path == CHECKPOINT:
        return NewestCheckpoint()
    if path == CHECKPOINT_INDEX:
        return CheckpointIndex()
    if found := _SIZE.fullmatch(path):
        return KeptCheckpoint(int(found[1]))
    if found := _BODY.fullmatch(path):
        return Body(found[1])
    try:
        return parse_path(path)
    except MalformedTileError as odd:
        raise NoSuchFileError(f"the log has no such file: {odd}") from None


def body_named_in(leaf: bytes) -> str | None:
    """Return the SHA-256 of the body that stands beside a leaf; None when the leaf holds its body, or is no leaf."""
    if _NAMES_A_BODY not in leaf:
        return None
    try:
        digest = json.loads(leaf).get("body_sha256")
    except (ValueError, RecursionError, AttributeError):
        return None
    return digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None


def path_of(file: File) -> str:
    """Name a file."""
    match file:
        case NewestCheckpoint():
            return CHECKPOINT
        case CheckpointIndex():
            return CHECKPOINT_INDEX
        case KeptCheckpoint(size):
            return f"checkpoints/{size}"
        case Body(sha256):
            return f"bodies/{sha256}"
        case TileId():
            return tile_path(file)
        case BundleId():
            return entries_path(file)
