import hashlib
import json
from typing import Any

import pytest

from yoyaku.backup_coordinator.domain.manifest import (
    Damage,
    DamageKind,
    FoundFile,
    ListedFile,
    ManifestError,
    WalRange,
    compare,
    is_listed,
    parse,
    wal_segments,
)

FILE = {"Path": "base/1/1259", "Size": 8192, "Checksum-Algorithm": "SHA256", "Checksum": "ab" * 32}


def written(**changes: Any) -> bytes:
    """Write a manifest as PostgreSQL does: its own checksum is of all bytes before that line."""
    content = {
        "PostgreSQL-Backup-Manifest-Version": 2,
        "System-Identifier": 7566000000000000001,
        "Files": [FILE],
        "WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000120"}],
    } | changes
    head = json.dumps(content)[:-1].encode() + b",\n"
    return head + b'"Manifest-Checksum": "' + hashlib.sha256(head).hexdigest().encode() + b'"}\n'


@pytest.mark.requirement("BC-04")
def test_a_manifest_is_read() -> None:
    manifest = parse(written())
    assert manifest.system_identifier == 7566000000000000001
    assert manifest.files == {"base/1/1259": ListedFile("base/1/1259", 8192, "ab" * 32)}
    assert manifest.wal_ranges == [WalRange(1, 0x2000028, 0x2000120)]


@pytest.mark.requirement("BC-07")
def test_every_flipped_byte_before_the_checksum_is_seen() -> None:
    data = written()
    for index in range(data.rfind(b'"Manifest-Checksum"')):
        flipped = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
        with pytest.raises(ManifestError):
            parse(flipped)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        written()[:-20],
        b"[" * 100_000 + b'"Manifest-Checksum"',
        b'["Manifest-Checksum"]',
        written(**{"PostgreSQL-Backup-Manifest-Version": 3}),
        written(Files=[FILE, FILE]),
        written(Files=[FILE | {"Path": "../../etc/passwd"}]),
        written(Files=[FILE | {"Path": "/etc/passwd"}]),
        written(Files=[FILE | {"Checksum-Algorithm": "CRC32C"}]),
        written(Files=[{"Path": "x"}]),
        written(Files=7),
        written(**{"WAL-Ranges": [{"Timeline": 1, "Start-LSN": "x", "End-LSN": "0/1"}]}),
    ],
)
@pytest.mark.requirement("BC-07")
def test_a_manifest_that_cannot_be_believed_is_a_clear_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse(data)


def test_a_name_that_is_not_utf8_is_read() -> None:
    manifest = parse(
        written(Files=[{key: value for key, value in FILE.items() if key != "Path"} | {"Encoded-Path": "ff61"}])
    )
    assert list(manifest.files) == ["\udcffa"]


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("base/1/1259", True),
        ("backup_label", True),
        ("pg_walk/x", True),
        ("backup_manifest", False),
        ("pg_wal/000000010000000000000002", False),
        ("postgresql.auto.conf", True),
    ],
)
def test_what_the_manifest_lists(path: str, listed: bool) -> None:
    assert is_listed(path) is listed


@pytest.mark.requirement("BC-07")
def test_each_difference_is_named() -> None:
    listed = {name: ListedFile(name, 3, "aa") for name in ("good", "short", "wrong", "gone", "locked")}
    found = [
        FoundFile("good", 3, "aa"),
        FoundFile("short", 2, "aa"),
        FoundFile("wrong", 3, "bb"),
        FoundFile("locked", 0, None, "Permission denied"),
        FoundFile("new", 1, "cc"),
    ]
    assert list(compare(listed, found)) == [
        Damage("short", DamageKind.SIZE, "2 bytes instead of 3"),
        Damage("wrong", DamageKind.CHECKSUM),
        Damage("locked", DamageKind.UNREADABLE, "Permission denied"),
        Damage("new", DamageKind.EXTRA),
        Damage("gone", DamageKind.MISSING),
    ]


@pytest.mark.parametrize(
    ("wal_range", "names"),
    [
        (WalRange(1, 0x2000028, 0x2000120), ["000000010000000000000002"]),
        (WalRange(1, 0x2000028, 0x3000000), ["000000010000000000000002"]),
        (WalRange(2, 0x2000028, 0x3000001), ["000000020000000000000002", "000000020000000000000003"]),
        (WalRange(1, 0xFF000000, 0x100000010), ["0000000100000000000000FF", "000000010000000100000000"]),
    ],
)
def test_wal_files_that_hold_a_range_are_named(wal_range: WalRange, names: list[str]) -> None:
    assert wal_segments([wal_range]) == names
