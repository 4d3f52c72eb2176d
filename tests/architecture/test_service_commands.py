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


@pytest.mark.parametrize(
    ("package", "words", "missing"),
    [
        (
            "yoyaku.booking",
            ["gateway"],
            ["DATABASE__DATABASE", "DATABASE__USER", "NATS__URL", "KEY_ENCRYPTION_KEY_FILE"],
        ),
        ("yoyaku.booking", ["worker"], ["DATABASE__DATABASE", "DATABASE__USER", "NATS__URL"]),
        ("yoyaku.booking", ["migrate"], ["OWNER_DATABASE__DATABASE", "OWNER_DATABASE__USER"]),
        *((package, [], ["DATABASE__DATABASE", "DATABASE__USER", "NATS__URL"]) for package in LEADING),
        *((package, ["migrate"], ["OWNER_DATABASE__DATABASE", "OWNER_DATABASE__USER"]) for package in LEADING),
    ],
)
async def test_missing_settings_are_named_line_by_line(package: str, words: list[str], missing: list[str]) -> None:
    done = await executed(package, *words)
    prefix = package.rpartition(".")[2].upper()
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert {f"error: {prefix}_{name}: missing" for name in missing} <= set(told)
    assert all(line.startswith(f"error: {prefix}_") for line in told), done.stderr
    assert done.stdout == ""


async def test_a_migration_that_postgresql_refuses_is_told_in_one_line(
    database: Callable[..., Awaitable[Database]], tmp_path: Path
) -> None:
    empty = await database()
    async with connected_pool(empty.owner, application_name="test") as pool:
        await pool.execute("CREATE TABLE audit_entry (id integer)")
    done = await executed(
        "yoyaku.audit_log", "migrate", environment=owners_environment_of("yoyaku.audit_log", empty.owner, tmp_path)
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: 0001_"), line
    assert "already exists" in line
