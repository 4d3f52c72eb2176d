"""Fixtures of the backup coordinator: its database, the replication role, and the service as real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from yoyaku.backup_coordinator.settings import ReplicationSettings
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.servers import PostgresServer

LIMIT_SECONDS = 60.0
REPLICATION_ROLE = "backup_replication"
NEVER = "0 0 1 1 *"


async def eventually(check: Callable[[], Awaitable[bool]], *, within_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until `check` says yes."""
    async with asyncio.timeout(within_seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.05)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Awaitable[None]]:
    return eventually


@pytest_asyncio.fixture
async def backup_database(database: Callable[..., Awaitable[Database]]) -> Database:
    """A fresh database of the coordinator."""
    return await database("yoyaku.backup_coordinator")


@pytest_asyncio.fixture
async def pool(backup_database: Database) -> AsyncIterator[Pool]:
    """A pool in the service's own role."""
    async with connected_pool(backup_database.service, application_name="test-backup-coordinator") as connected:
        yield connected


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(service="backup-coordinator", new_id=new_event_id, now=lambda: datetime.now(UTC))


@asynccontextmanager
async def held_lease(pool: Pool, *, ttl_seconds: float = 60.0) -> AsyncIterator[Lease]:
    """Lead for the time of the block."""
    taken: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run(lease: Lease) -> None:
        taken.set_result(lease)
        await stop.wait()

    leading = asyncio.create_task(
        Leadership(pool, "coordinator", holder=new_event_id(), ttl_seconds=ttl_seconds).lead(run, stop)
    )
    try:
        yield await taken
    finally:
        stop.set()
        await leading


@pytest.fixture(name="held_lease")
def held_lease_fixture() -> Callable[..., Any]:
    return held_lease


def secret_file(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


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


@dataclass
class Coordinator:
    """One real process of the backup coordinator."""

    process: "subprocess.Popen[bytes]"
    health_port: int
    log_file: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    async def role(self) -> str | None:
        """`leading` or `standby`, `None` while it is not ready."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                answer = await client.get(f"http://127.0.0.1:{self.health_port}/health/ready")
        except httpx.HTTPError:
            return None
        checks = answer.json().get("checks", {}) if answer.status_code == 200 else {}
        return checks["leadership:role"][0].get("observedValue") if "leadership:role" in checks else None

    async def leads(self) -> bool:
        return await self.role() == "leading"

    async def stands_by(self) -> bool:
        return await self.role() == "standby"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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
) -> Iterator[Callable[..., Coordinator]]:
    """`start_coordinator()` starts a real process; all are ended with the test."""
    started: list[Coordinator] = []
    service = backup_database.service
    assert service.password is not None
    password_file = secret_file(tmp_path / "password", service.password.get_secret_value())

    def start(**extra: str) -> Coordinator:
        port = free_port()
        wired = {
            "DATABASE__HOST": service.host,
            "DATABASE__PORT": str(service.port),
            "DATABASE__DATABASE": service.database,
            "DATABASE__USER": service.user,
            "DATABASE__PASSWORD_FILE": str(password_file),
            "NATS__URL": bus.url,
            "NATS__NKEY_SEED_FILE": str(bus.seed_file("backup-coordinator")),
            "HEALTH_PORT": str(port),
            "LEASE_SECONDS": "2",
            "SCHEDULE": NEVER,
            "DIRECTORY": str(directory),
            "PG_BIN_DIR": str(postgres_server.bin_dir),
            "REPLICATION__HOST": replication.host,
            "REPLICATION__PORT": str(replication.port),
            "REPLICATION__USER": replication.user,
            "REPLICATION__PASSWORD_FILE": str(replication.password_file),
        } | extra
        environment = {f"BACKUP_COORDINATOR_{name}": value for name, value in wired.items()}
        log_file = tmp_path / f"coordinator-{len(started)}.log"
        with log_file.open("wb") as log_output:
            process = subprocess.Popen(
                [sys.executable, "-m", "yoyaku.backup_coordinator"],
                env=environment | {"PATH": os.environ["PATH"]},
                stderr=log_output,
                stdout=log_output,
            )
        started.append(Coordinator(process, port, log_file))
        return started[-1]

    yield start
    for coordinator in started:
        if coordinator.process.poll() is None:
            coordinator.send(signal.SIGCONT)
            coordinator.kill()


@pytest.fixture
def slow_tools(postgres_server: PostgresServer, tmp_path: Path) -> Path:
    """A pg_basebackup that takes as long as the test likes: the real one, held back to 32 kB a second."""
    folder = tmp_path / "slow-tools"
    folder.mkdir()
    tool = folder / "pg_basebackup"
    tool.write_text(f'#!/bin/sh\nexec "{postgres_server.bin_dir}/pg_basebackup" --max-rate=32k "$@"\n')
    tool.chmod(0o755)
    return folder
