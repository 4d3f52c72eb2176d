"""Real processes of one service, on the database and the bus of a test.

Invariant: whatever a test does to its processes, none outlives it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from yoyaku.embedded.ports import choose_port
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.bus import Bus

KILLED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Replica:
    """One real process of a service."""

    process: "subprocess.Popen[bytes]"
    health_port: int
    log_file: Path

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would; also when it is stopped."""
        self.process.kill()
        self.process.wait(KILLED_SECONDS)

    async def is_ready(self) -> bool:
        """Whether it says that it is ready."""
        return await self._checks() is not None

    async def role(self) -> object:
        """Return `leading` or `standby`, or None while it is not ready."""
        found = (await self._checks() or {}).get("leadership:role")
        return found[0].get("observedValue") if found else None

    async def leads(self) -> bool:
        """Whether it is ready and leads."""
        return await self.role() == "leading"

    async def stands_by(self) -> bool:
        """Whether it is ready and another leads."""
        return await self.role() == "standby"

    async def _checks(self) -> dict[str, list[dict[str, object]]] | None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                answer = await client.get(f"http://127.0.0.1:{self.health_port}/health/ready")
        except httpx.HTTPError:
            return None
        checks: dict[str, list[dict[str, object]]] = answer.json().get("checks", {})
        return checks if answer.status_code == 200 else None


@contextmanager
def replicas(package: str, environment: Mapping[str, str], folder: Path) -> Iterator[Callable[..., Replica]]:
    """Yield what starts a process of a service; all of them are ended after the block.

    `start("worker", LEASE_SECONDS="2")` adds arguments, and settings named without the prefix of the service.
    """
    started: list[Replica] = []

    def start(*arguments: str, **settings: str) -> Replica:
        port = choose_port()
        own = prefixed(package, {"HEALTH_PORT": str(port)} | settings)
        log_file = folder / f"{package.rpartition('.')[2]}-{len(started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", package, *arguments], env={**environment, **own}, stderr=log, stdout=log
            )
        started.append(Replica(process, port, log_file))
        return started[-1]

    try:
        yield start
    finally:
        for replica in started:
            replica.kill()


def environment_of(package: str, database: PostgresSettings, bus: Bus, folder: Path) -> dict[str, str]:
    """Return the environment that gives a service its database, as its service role, and the bus."""
    service = package.rpartition(".")[2].replace("_", "-")
    wired = {"NATS__URL": bus.url, "NATS__NKEY_SEED_FILE": str(bus.seed_file(service))}
    return _bare() | prefixed(package, wired | _database("DATABASE", database, folder))


def database_environment(name: str, settings: PostgresSettings, folder: Path) -> dict[str, str]:
    """Return one database's settings, without a prefix, for `prefixed` or `start(**settings)`."""
    return _database(name, settings, folder)


def owners_environment_of(package: str, owner: PostgresSettings, folder: Path) -> dict[str, str]:
    """Return the environment that a service's migrations need."""
    return _bare() | prefixed(package, _database("OWNER_DATABASE", owner, folder))


def prefixed(package: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings of a service under the names of the environment."""
    prefix = package.rpartition(".")[2].upper()
    return {f"{prefix}_{name}": value for name, value in settings.items()}


def secret_file(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, and return its path."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _bare() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def _database(name: str, settings: PostgresSettings, folder: Path) -> dict[str, str]:
    assert settings.password is not None
    password_file = secret_file(folder / f"{settings.user}.password", settings.password.get_secret_value())
    return {
        f"{name}__HOST": settings.host,
        f"{name}__PORT": str(settings.port),
        f"{name}__DATABASE": settings.database,
        f"{name}__USER": settings.user,
        f"{name}__PASSWORD_FILE": str(password_file),
    }
