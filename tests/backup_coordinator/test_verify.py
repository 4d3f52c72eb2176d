# ruff: noqa: ASYNC240
import asyncio
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from yoyaku.backup_coordinator.adapters.folder import FolderOfBackups
from yoyaku.backup_coordinator.adapters.pg_tools.base_backup import PgBaseBackup
from yoyaku.backup_coordinator.domain.manifest import DamageKind
from yoyaku.backup_coordinator.domain.run import Run, RunKind, RunState, Taken, Trigger
from yoyaku.backup_coordinator.settings import ReplicationSettings
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.backup_coordinator.verify import damages
from yoyaku.testkit.servers import PostgresServer

RUN_ID = "019abc00-0000-7000-8000-000000000001"
RUN = Run(
    run_id=RUN_ID,
    kind=RunKind.FULL,
    trigger=Trigger.REQUEST,
    state=RunState.RUNNING,
    requested_by="operator",
    requested_at=datetime.now(UTC),
)


@pytest_asyncio.fixture(scope="session")
async def original(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a base backup waits to be proven."""
    return tmp_path_factory.mktemp("original")


@pytest_asyncio.fixture
async def proven(
    original: Path, directory: Path, replication: ReplicationSettings, postgres_server: PostgresServer
) -> Taken:
    """A proven backup under its final name; taken once, copied for each test."""
    kept = original / "kept"
    if not kept.exists():
        files = FolderOfBackups(original)
        workspace = files.prepare(RUN_ID)
        await PgBaseBackup(replication, postgres_server.bin_dir).take(workspace)
        Path(workspace).rename(kept)
    await asyncio.to_thread(shutil.copytree, kept, directory / f"{RUN_ID}.partial")
    files = FolderOfBackups(directory)
    taken = await files.prove(RUN)
    files.publish(RUN_ID)
    return taken


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def wal_of(folder: Path) -> Path:
    return next(path for path in sorted((folder / "base" / "pg_wal").iterdir()) if len(path.name) == 24)


@pytest.mark.requirement("BC-04")
async def test_a_good_backup_is_intact(proven: Taken, directory: Path) -> None:
    assert list(damages(directory / RUN_ID, proven.manifest_sha256)) == []
    assert proven.file_count > 500
    on_disk = sum(path.stat().st_size for path in (directory / RUN_ID / "base").rglob("*") if path.is_file())
    assert proven.size_bytes == on_disk - (directory / RUN_ID / "base" / "backup_manifest").stat().st_size
    assert FolderOfBackups(directory).present() == [RUN_ID]


@pytest.mark.parametrize(
    ("bad", "act", "kind"),
    [
        ("base/global/pg_control", flip_a_byte, DamageKind.CHECKSUM),
        ("base/PG_VERSION", lambda path: path.write_bytes(b""), DamageKind.SIZE),
        ("base/backup_label", Path.unlink, DamageKind.MISSING),
        ("base/global/new_file", lambda path: path.write_bytes(b"x"), DamageKind.EXTRA),
        ("base/postgresql.auto.conf", lambda path: path.write_bytes(b"x"), DamageKind.SIZE),
        ("base/backup_manifest", flip_a_byte, DamageKind.MANIFEST),
        ("base/backup_manifest", Path.unlink, DamageKind.MANIFEST),
        ("record.json", lambda path: path.write_bytes(b"{}"), DamageKind.MANIFEST),
        ("record.json", Path.unlink, DamageKind.MANIFEST),
    ],
)
@pytest.mark.requirement("BC-07")
async def test_damage_is_named(
    proven: Taken, directory: Path, bad: str, act: Callable[[Path], object], kind: DamageKind
) -> None:
    act(directory / RUN_ID / bad)
    first = next(damages(directory / RUN_ID, proven.manifest_sha256))
    assert (first.path, first.kind) == (bad, kind)


@pytest.mark.requirement("BC-07")
async def test_damaged_and_missing_wal_is_named(proven: Taken, directory: Path) -> None:
    wal = wal_of(directory / RUN_ID)
    flip_a_byte(wal)
    first = next(damages(directory / RUN_ID))
    assert (first.path, first.kind) == (f"base/pg_wal/{wal.name}", DamageKind.CHECKSUM)
    wal.unlink()
    assert {(one.path, one.kind) for one in damages(directory / RUN_ID)} >= {
        (f"base/pg_wal/{wal.name}", DamageKind.MISSING)
    }


@pytest.mark.requirement("BC-07")
async def test_another_manifest_than_the_catalogue_knows_is_named(proven: Taken, directory: Path) -> None:
    first = next(damages(directory / RUN_ID, "0" * 64))
    assert (first.path, first.kind) == ("base/backup_manifest", DamageKind.CHECKSUM)


async def test_a_backup_that_is_not_there_is_named(directory: Path) -> None:
    assert next(damages(directory / RUN_ID)).kind is DamageKind.MISSING


@pytest.mark.requirement("BC-04", "BC-07")
async def test_a_damaged_base_backup_is_never_proven(proven: Taken, directory: Path) -> None:
    files = FolderOfBackups(directory)
    (directory / RUN_ID).rename(directory / f"{RUN_ID}.partial")
    (directory / f"{RUN_ID}.partial" / "record.json").unlink()
    flip_a_byte(directory / f"{RUN_ID}.partial" / "base" / "global" / "pg_control")
    with pytest.raises(BackupFailedError, match="global/pg_control: wrong checksum"):
        await files.prove(RUN)
    wal_of(directory / f"{RUN_ID}.partial").unlink()
    flip_a_byte(directory / f"{RUN_ID}.partial" / "base" / "global" / "pg_control")
    with pytest.raises(BackupFailedError, match="pg_wal"):
        await files.prove(RUN)
    await files.discard(RUN_ID)
    assert list(directory.iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_a_reason(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(BackupFailedError):
        FolderOfBackups(in_the_way).prepare(RUN_ID)
