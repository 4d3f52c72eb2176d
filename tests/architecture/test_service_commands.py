"""Every service answers to the same words on its command line."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.databases import Database
from yoyaku.testkit.replicas import owners_environment_of

LEADING = ["yoyaku.audit_log", "yoyaku.security_detector", "yoyaku.backup_coordinator"]


async def executed(*arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", *arguments],
        env=environment or {},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.requirement("DL-01")
@pytest.mark.parametrize("package", ["yoyaku.booking", *LEADING])
async def test_migrate_brings_an_empty_database_to_head_and_is_idempotent(
    package: str, database: Callable[..., Awaitable[Database]], tmp_path: Path
) -> None:
    empty = await database()
    environment = owners_environment_of(package, empty.owner, tmp_path)
    for _ in range(2):
        done = await executed(package, "migrate", environment=environment)
        assert done.returncode == 0, done.stderr
    async with connected_pool(empty.owner, application_name="test") as pool:
        await check_head(pool, package)
        assert await pool.fetchval("SELECT count(*) FROM applied_migrations") >= 1


@pytest.mark.parametrize("package", LEADING)
async def test_help_is_no_failure_and_a_wrong_word_is_one(package: str) -> None:
    helped = await executed(package, "--help")
    assert helped.returncode == 0
    assert f"usage: python -m {package} [migrate]" in helped.stdout
    wrong = await executed(package, "sing")
    assert wrong.returncode == 1
    assert helped.stdout == wrong.stderr
