"""The files of the log as others read them: which there are, and what their paths look like.

Source: C2SP tlog-tiles; `checkpoints/<size>` and `bodies/<sha256>` are ours (docs/api/audit-formats.md).
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from yoyaku.tlog.errors import MalformedTileError
from yoyaku.tlog.tiles import BundleId, TileId, entries_path, parse_path, tile_path

CHECKPOINT: Final = "checkpoint"
LONGEST_PATH: Final = 200

_SIZE: Final = re.compile(r"checkpoints/(0|[1-9][0-9]{0,18})", re.ASCII)
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
class Body:
    """`bodies/<sha256>`: a body that its leaf was too small for."""

    sha256: str


File: TypeAlias = NewestCheckpoint | KeptCheckpoint | Body | TileId | BundleId


def file_of(path: str) -> File:
    """Read a path. Raises NoSuchFileError for every other spelling, so each file has one path only."""
    if path == CHECKPOINT:
        return NewestCheckpoint()
    if found := _SIZE.fullmatch(path):
        return KeptCheckpoint(int(found[1]))
    if found := _BODY.fullmatch(path):
        return Body(found[1])
    try:
        return parse_path(path)
    except MalformedTileError as odd:
        raise NoSuchFileError(f"the log has no such file: {odd}") from None


def path_of(file: File) -> str:
    """Name a file."""
    match file:
        case NewestCheckpoint():
            return CHECKPOINT
        case KeptCheckpoint(size):
            return f"checkpoints/{size}"
        case Body(sha256):
            return f"bodies/{sha256}"
        case TileId():
            return tile_path(file)
        case BundleId():
            return entries_path(file)
