import asyncio
import os
import shutil
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil
import pytest

from yoyaku.backup_coordinator.adapters.pg_tools.base_backup import PASSWORD_FILE, PgBaseBackup
from yoyaku.backup_coordinator.settings import ReplicationSettings
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.embedded.postgres_server import SUPERUSER, EmbeddedPostgres
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.servers import PostgresServer


def tools_of(folder: Path) -> list[psutil.Process]:
    """Return every process that works on a backup in this folder."""
    me = os.getpid()
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != me and any(str(folder) in argument for argument in process.info["cmdline"] or ())
    ]


@pytest.mark.requirement("BC-02")
async def test_a_base_backup_is_taken_and_no_password_is_left(
    replication: ReplicationSettings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    workspace = tmp_path / "run.partial"
    workspace.mkdir()
    await PgBaseBackup(replication, postgres_server.bin_dir).take(str(workspace))
    assert (workspace / "base" / "backup_manifest").is_file()
    assert (workspace / "base" / "PG_VERSION").read_text().strip() == "18"
    assert not (workspace / PASSWORD_FILE).exists()


@pytest.mark.requirement("BC-02")
async def test_the_password_is_in_a_private_file_and_nowhere_else(
    replication: ReplicationSettings, slow_tools: Path, tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    workspace = tmp_path / "run.partial"
    workspace.mkdir()
    taking = asyncio.create_task(PgBaseBackup(replication, slow_tools).take(str(workspace)))

    async def started() -> bool:
        return (workspace / "base").exists()

    await eventually(started)
    password = replication.password_file.read_text()
    assert stat.S_IMODE((workspace / PASSWORD_FILE).stat().st_mode) == 0o600
    running = tools_of(workspace)
    assert running
    for process in running:
        assert not any(password in argument for argument in process.cmdline())
        assert not any(password in value for value in process.environ().values())
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    _, alive = await asyncio.to_thread(psutil.wait_procs, running, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not (workspace / PASSWORD_FILE).exists()


@pytest.mark.requirement("BC-06")
async def test_a_wrong_password_is_a_reason(
    replication: ReplicationSettings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("not-it")
    settings = replication.model_copy(update={"password_file": wrong})
    with pytest.raises(BackupFailedError, match="password authentication failed"):
        await PgBaseBackup(settings, postgres_server.bin_dir).take(str(tmp_path))


@pytest.mark.requirement("BC-06")
async def test_a_password_that_others_can_read_is_refused(
    replication: ReplicationSettings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    replication.password_file.chmod(0o644)
    with pytest.raises(BackupFailedError, match="password file"):
        await PgBaseBackup(replication, postgres_server.bin_dir).take(str(tmp_path))


@pytest.mark.requirement("BC-06")
async def test_a_missing_tool_is_a_reason(replication: ReplicationSettings, tmp_path: Path) -> None:
    with pytest.raises(BackupFailedError, match="pg_basebackup is missing"):
        await PgBaseBackup(replication, tmp_path / "nowhere").take(str(tmp_path))


@pytest.mark.requirement("BC-06")
async def test_a_tool_that_is_no_program_is_a_reason(replication: ReplicationSettings, tmp_path: Path) -> None:
    tool = tmp_path / "pg_basebackup"
    tool.write_bytes(b"\x7fELF no program")
    tool.chmod(0o755)
    with pytest.raises(BackupFailedError, match="pg_basebackup"):
        await PgBaseBackup(replication, tmp_path).take(str(tmp_path))


@pytest.mark.requirement("BC-06", "BC-07")
async def test_a_full_disk_is_a_reason(
    replication: ReplicationSettings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    limited = tmp_path / "limited-tools"
    limited.mkdir()
    tool = limited / "pg_basebackup"
    real = postgres_server.bin_dir / "pg_basebackup"
    tool.write_text(f'#!/bin/bash\ntrap "" XFSZ\nulimit -f 64\nexec "{real}" "$@"\n')
    tool.chmod(0o755)
    workspace = tmp_path / "run.partial"
    workspace.mkdir()
    with pytest.raises(BackupFailedError, match=r"could not write|File too large"):
        await PgBaseBackup(replication, limited).take(str(workspace))
    shutil.rmtree(workspace)


async def test_no_server_is_a_reason(
    replication: ReplicationSettings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    settings = replication.model_copy(update={"port": 1})
    with pytest.raises(BackupFailedError, match="refused"):
        await PgBaseBackup(settings, postgres_server.bin_dir).take(str(tmp_path))


@pytest.mark.requirement("BC-02")
async def test_a_server_started_on_a_copy_has_what_was_committed_before(
    replication: ReplicationSettings,
    postgres_server: PostgresServer,
    pool: Pool,
    backend: str,
    test_secrets: SecretsFolder,
    tmp_path: Path,
) -> None:
    if backend != "embedded":
        pytest.skip("starts a second server from the wheel")
    moment = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    await pool.execute("UPDATE backup_schedule SET kept_until = $1", moment)
    workspace = tmp_path / "run.partial"
    workspace.mkdir()
    await PgBaseBackup(replication, postgres_server.bin_dir).take(str(workspace))

    def restored() -> EmbeddedPostgres:
        password = test_secrets.password(SUPERUSER)
        server = EmbeddedPostgres.start(tmp_path / "scratch", superuser_password=password, fsync=False)
        server.stop()
        shutil.rmtree(server.data)
        shutil.copytree(workspace / "base", server.data)
        if server.account is not None:
            for path in (server.data, *server.data.rglob("*")):
                os.chown(path, server.account.uid, server.account.gid)
        server.restart()
        return server

    server = await asyncio.to_thread(restored)
    try:
        database = await pool.fetchval("SELECT current_database()")
        settings = server.admin_settings.model_copy(update={"database": database})
        connection = await asyncpg.connect(**settings.connect_arguments("test"))
        assert await connection.fetchval("SELECT kept_until FROM backup_schedule") == moment
        await connection.close()
    finally:
        await asyncio.to_thread(server.destroy)
