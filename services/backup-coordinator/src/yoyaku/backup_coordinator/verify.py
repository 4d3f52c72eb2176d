"""Reads a backup back and says what is wrong with it: needs the folder alone, no database, no bus, no PostgreSQL.

Invariant: nothing is taken from a file's name, size or date; every byte is read. Memory stays the same whatever the
size of the backup. Beside the manifest, a record that the coordinator wrote holds the digests of what PostgreSQL's
manifest leaves out (WAL), and the digest of the manifest itself.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from yoyaku.backup_coordinator.domain.manifest import (
    MANIFEST_NAME,
    WAL_DIRECTORY,
    Damage,
    DamageKind,
    FoundFile,
    ListedFile,
    Manifest,
    ManifestError,
    compare,
    is_listed,
    parse,
    wal_segments,
)

BASE_FOLDER: Final = "base"
RECORD_NAME: Final = "record.json"
RECORD_VERSION: Final = 1
_CHUNK_BYTES: Final = 1024 * 1024


class VerificationStoppedError(Exception):
    """Reading was told to stop."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the coordinator noted beside a backup."""

    run_id: str
    kind: str
    manifest_sha256: str
    beside_manifest: dict[str, ListedFile]


def read_manifest(base: Path) -> tuple[Manifest, str]:
    """Return the manifest and the SHA-256 of its bytes. Raises ManifestError."""
    try:
        data = (base / MANIFEST_NAME).read_bytes()
    except OSError as exc:
        raise ManifestError(f"it cannot be read: {exc.strerror}") from None
    return parse(data), hashlib.sha256(data).hexdigest()


def found_files(base: Path, wanted: Callable[[str], bool], stop: threading.Event | None = None) -> Iterator[FoundFile]:
    """Read every file below `base` that is wanted, in order of path. Raises VerificationStoppedError."""
    for folder, folders, names in os.walk(base):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(base).as_posix()
            if wanted(relative):
                yield _read(path, relative, stop)


def is_beside_manifest(path: str) -> bool:
    """Whether a file is kept by the coordinator's record, since the manifest does not list it."""
    return path != MANIFEST_NAME and not is_listed(path)


def missing_wal(base: Path, manifest: Manifest) -> Iterator[Damage]:
    """Name each WAL file that a restore needs and that is not there whole."""
    folder = base / WAL_DIRECTORY
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
    segments = [size for name, size in sizes.items() if len(name) == 24]
    if not segments:
        yield Damage(WAL_DIRECTORY, DamageKind.MISSING, "no WAL")
        return
    segment_bytes = max(segments)
    if segment_bytes < _CHUNK_BYTES or segment_bytes & (segment_bytes - 1):
        yield Damage(WAL_DIRECTORY, DamageKind.SIZE, "no WAL file is whole")
        return
    for name in wal_segments(manifest.wal_ranges, segment_bytes):
        if name not in sizes:
            yield Damage(f"{WAL_DIRECTORY}/{name}", DamageKind.MISSING)
        elif sizes[name] != segment_bytes:
            yield Damage(f"{WAL_DIRECTORY}/{name}", DamageKind.SIZE, f"{sizes[name]} bytes")


def record_as_bytes(record: Record) -> bytes:
    """Write a record as canonical JSON."""
    content = {
        "version": RECORD_VERSION,
        "run_id": record.run_id,
        "kind": record.kind,
        "manifest_sha256": record.manifest_sha256,
        "beside_manifest": [asdict(file) for _, file in sorted(record.beside_manifest.items())],
    }
    return json.dumps(content, sort_keys=True, indent=1).encode() + b"\n"


def read_record(folder: Path) -> Record:
    """Read the record of a backup. Raises ManifestError."""
    try:
        content = json.loads((folder / RECORD_NAME).read_bytes())
        if content["version"] != RECORD_VERSION:
            raise ManifestError("the record's version is unknown")
        beside = [
            ListedFile(str(one["path"]), int(one["size_bytes"]), str(one["sha256"]))
            for one in content["beside_manifest"]
        ]
        return Record(
            str(content["run_id"]),
            str(content["kind"]),
            str(content["manifest_sha256"]),
            {file.path: file for file in beside},
        )
    except OSError as exc:
        raise ManifestError(f"the record cannot be read: {exc.strerror}") from None
    except (KeyError, TypeError, ValueError, RecursionError) as exc:
        if isinstance(exc, ManifestError):
            raise
        raise ManifestError("the record is damaged") from None


def damages(folder: Path, expected_manifest_sha256: str | None = None) -> Iterator[Damage]:
    """Name everything that is wrong with a backup, one file after the other, as it is read.

    `expected_manifest_sha256`: what the catalogue says, if it can be asked; without it the record beside the backup
    is believed.
    """
    base = folder / BASE_FOLDER
    if not base.is_dir():
        yield Damage(str(folder.name), DamageKind.MISSING, "there is no such backup")
        return
    try:
        record = read_record(folder)
        manifest, manifest_sha256 = read_manifest(base)
    except ManifestError as exc:
        name = RECORD_NAME if str(exc).startswith("the record") else f"{BASE_FOLDER}/{MANIFEST_NAME}"
        yield Damage(name, DamageKind.MANIFEST, str(exc))
        return
    for expected, where in ((record.manifest_sha256, "record"), (expected_manifest_sha256, "catalogue")):
        if expected is not None and manifest_sha256 != expected:
            yield Damage(f"{BASE_FOLDER}/{MANIFEST_NAME}", DamageKind.CHECKSUM, f"not what the {where} says")
    for damage in compare(manifest.files, found_files(base, is_listed)):
        yield _below_base(damage)
    for damage in compare(record.beside_manifest, found_files(base, is_beside_manifest)):
        yield _below_base(damage)
    for damage in missing_wal(base, manifest):
        yield _below_base(damage)


def _below_base(damage: Damage) -> Damage:
    return Damage(f"{BASE_FOLDER}/{damage.path}", damage.kind, damage.detail)


def _read(path: Path, relative: str, stop: threading.Event | None) -> FoundFile:
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                if stop is not None and stop.is_set():
                    raise VerificationStoppedError
                digest.update(chunk)
                size_bytes += len(chunk)
    except OSError as exc:
        return FoundFile(relative, size_bytes, None, exc.strerror or type(exc).__name__)
    return FoundFile(relative, size_bytes, digest.hexdigest())
