import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from yoyaku.testkit.databases import Database


async def test_the_process_migrates_an_empty_database(
    database: Callable[..., Awaitable[Database]], tmp_path: Path
) -> None:
    empty = await database()
    owner = empty.owner
    assert owner.password is not None
    password_file = tmp_path / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(owner.password.get_secret_value())
    prefix = "BACKUP_COORDINATOR_OWNER_DATABASE__"
    environment = {
        "PATH": os.environ["PATH"],
        f"{prefix}HOST": owner.host,
        f"{prefix}PORT": str(owner.port),
        f"{prefix}DATABASE": owner.database,
        f"{prefix}USER": owner.user,
        f"{prefix}PASSWORD_FILE": str(password_file),
    }
    for _ in range(2):
        command = [sys.executable, "-m", "yoyaku.backup_coordinator", "migrate"]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    connection = await asyncpg.connect(**owner.connect_arguments("test"))
    assert await connection.fetchval("SELECT count(*) FROM applied_migrations") >= 1
    await connection.close()


async def test_a_wrong_word_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "yoyaku.backup_coordinator", "sing"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "usage:" in done.stderr


async def test_help_is_no_failure() -> None:
    command = [sys.executable, "-m", "yoyaku.backup_coordinator", "--help"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "usage:" in done.stdout
