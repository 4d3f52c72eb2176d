"""The manifest of a base backup, and whether what lies on disk is what it says.

Pure: parsing and comparing only; who reads the files passes in what was found. Source: PostgreSQL 18 documentation,
"Backup Manifest Format" (version 2). It lists every file but itself and WAL; WAL is checked by its own digests and by
the ranges that the manifest asks for. Unlike pg_verifybackup, which lets a restore change postgresql.auto.conf, this
expects an untouched backup.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

MANIFEST_NAME: Final = "backup_manifest"
WAL_DIRECTORY: Final = "pg_wal"
DEFAULT_WAL_SEGMENT_BYTES: Final = 16 * 1024 * 1024
_CHECKSUM_KEY: Final = b'"Manifest-Checksum"'
_LSN: Final = re.compile(r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")


class ManifestError(ValueError):
    """The manifest cannot be believed; the text says why."""


class DamageKind(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    EXTRA = "not in the manifest"
    SIZE = "wrong size"
    CHECKSUM = "wrong checksum"
    UNREADABLE = "unreadable"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Damage:
    """One bad file, by its path below the backup."""

    path: str
    kind: DamageKind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.kind.value}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as listed. `path` is relative; `None` checksum means that only the size is known."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WalRange:
    """The WAL that a restore needs: from `start` to `end` (byte positions) on one timeline."""

    timeline: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose own checksum holds."""

    system_identifier: int | None
    files: Mapping[str, ListedFile]
    wal_ranges: Sequence[WalRange]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it lies on disk. `sha256` is `None` when reading failed, and `problem` says how."""

    path: str
    size_bytes: int
    sha256: str | None
    problem: str = ""


def parse(data: bytes) -> Manifest:
    """Read a manifest and prove it by its own checksum (SHA-256 of all bytes before it). Raises ManifestError."""
    at = data.rfind(_CHECKSUM_KEY)
    if at < 0:
        raise ManifestError("it has no checksum of its own: cut short")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise ManifestError("it is not JSON") from None
    try:
        if content["Manifest-Checksum"] != sha256(data[:at]).hexdigest():
            raise ManifestError("its own checksum is wrong")
        if content["PostgreSQL-Backup-Manifest-Version"] not in {1, 2}:
            raise ManifestError("its version is unknown")
        files = {listed.path: listed for listed in map(_listed_file, content["Files"])}
        if len(files) != len(content["Files"]):
            raise ManifestError("it lists a file twice")
        ranges = [_wal_range(one) for one in content["WAL-Ranges"]]
        identifier = content.get("System-Identifier")
        return Manifest(None if identifier is None else int(identifier), files, ranges)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ManifestError(f"it lacks {exc}") from None


def is_listed(path: str) -> bool:
    """Whether a file belongs in the manifest's list."""
    return path != MANIFEST_NAME and PurePosixPath(path).parts[0] != WAL_DIRECTORY


def compare(listed: Mapping[str, ListedFile], found: Iterable[FoundFile]) -> Iterator[Damage]:
    """Name every difference between a list and what was found, what was found first, then what is missing."""
    missing = dict(listed)
    for file in found:
        expected = missing.pop(file.path, None)
        if expected is None:
            yield Damage(file.path, DamageKind.EXTRA)
        elif file.sha256 is None:
            yield Damage(file.path, DamageKind.UNREADABLE, file.problem)
        elif file.size_bytes != expected.size_bytes:
            yield Damage(file.path, DamageKind.SIZE, f"{file.size_bytes} bytes instead of {expected.size_bytes}")
        elif file.sha256 != expected.sha256:
            yield Damage(file.path, DamageKind.CHECKSUM)
    for path in sorted(missing):
        yield Damage(path, DamageKind.MISSING)


def wal_segments(ranges: Iterable[WalRange], segment_bytes: int = DEFAULT_WAL_SEGMENT_BYTES) -> list[str]:
    """Name the WAL files that hold these ranges, in order."""
    per_log = 0x1_0000_0000 // segment_bytes
    names: list[str] = []
    for wal_range in ranges:
        last = max(wal_range.end - 1, wal_range.start) // segment_bytes
        names.extend(
            f"{wal_range.timeline:08X}{segment // per_log:08X}{segment % per_log:08X}"
            for segment in range(wal_range.start // segment_bytes, last + 1)
        )
    return names


def _listed_file(entry: dict[str, Any]) -> ListedFile:
    encoded = entry.get("Encoded-Path")
    path = entry["Path"] if encoded is None else bytes.fromhex(encoded).decode("utf-8", "surrogateescape")
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise ManifestError("it lists a file outside of the backup")
    if entry.get("Checksum-Algorithm") != "SHA256":
        raise ManifestError(f"it has no SHA-256 of {path!r}")
    return ListedFile(path, int(entry["Size"]), str(entry["Checksum"]).lower())


def _wal_range(entry: dict[str, Any]) -> WalRange:
    return WalRange(int(entry["Timeline"]), _position(entry["Start-LSN"]), _position(entry["End-LSN"]))


def _position(lsn: str) -> int:
    if not _LSN.match(lsn):
        raise ManifestError(f"{lsn!r} is no position in the WAL")
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)
