"""Fixtures of the backup coordinator: its database, the replication role, and the service as real processes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.backup_coordinator.settings import ReplicationSettings
from yoyaku.backup_coordinator.wiring import LEADERSHIP, PACKAGE
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.leases import held_lease
from yoyaku.testkit.replicas import Replica, environment_of, prefixed, replicas, secret_file
from yoyaku.testkit.servers import PostgresServer

REPLICATION_ROLE = "backup_replication"
NEVER = "0 0 1 1 *"


@pytest_asyncio.fixture
async def backup_database(database: Callable[..., Awaitable[Database]]) -> Database:
    """A fresh database of the coordinator."""
    return await database(PACKAGE)


@pytest_asyncio.fixture
async def pool(backup_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(backup_database.service, application_name="test-backup-coordinator") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="backup-coordinator", new_id=new_event_id, now=lambda: datetime.now(UTC))


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    """`held_lease(pool)` leads for the time of the block."""
    return partial(held_lease, name=LEADERSHIP)


@pytest_asyncio.fixture
async def replication(postgres_server: PostgresServer, tmp_path: Path) -> ReplicationSettings:
    """A role that may replicate, with a password that needs escaping."""
    admin = await asyncpg.connect(**postgres_server.admin_settings.connect_arguments("test"))
    password = "a:b\\c " + new_event_id()
    if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", REPLICATION_ROLE):
        await admin.execute(f"CREATE ROLE {REPLICATION_ROLE} LOGIN REPLICATION")
    await admin.execute(f"ALTER ROLE {REPLICATION_ROLE} LOGIN REPLICATION PASSWORD '{password}'")
    await admin.close()
    return ReplicationSettings(
        host=postgres_server.host,
        port=postgres_server.port,
        user=REPLICATION_ROLE,
        password_file=secret_file(tmp_path / "replication-password", password),
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the test's backups lie."""
    return tmp_path / "backups"


@pytest.fixture
def start_coordinator(
    backup_database: Database,
    bus: Bus,
    replication: ReplicationSettings,
    postgres_server: PostgresServer,
    directory: Path,
    tmp_path: Path,
) -> Iterator[Callable[..., Replica]]:
    """`start_coordinator()` starts a real process; all are ended with the test."""
    own = {
        "LEASE_SECONDS": "2",
        "SCHEDULE": NEVER,
        "DIRECTORY": str(directory),
        "PG_BIN_DIR": str(postgres_server.bin_dir),
        "REPLICATION__HOST": replication.host,
        "REPLICATION__PORT": str(replication.port),
        "REPLICATION__USER": replication.user,
        "REPLICATION__PASSWORD_FILE": str(replication.password_file),
    }
    environment = environment_of(PACKAGE, backup_database.service, bus, tmp_path) | prefixed(PACKAGE, own)
    with replicas(PACKAGE, environment, tmp_path) as start:
        yield start


@pytest.fixture
def slow_tools(postgres_server: PostgresServer, tmp_path: Path) -> Path:
    """A pg_basebackup that takes as long as the test likes: the real one, held back to 32 kB a second."""
    folder = tmp_path / "slow-tools"
    folder.mkdir()
    tool = folder / "pg_basebackup"
    tool.write_text(f'#!/bin/sh\nexec "{postgres_server.bin_dir}/pg_basebackup" --max-rate=32k "$@"\n')
    tool.chmod(0o755)
    return folder
