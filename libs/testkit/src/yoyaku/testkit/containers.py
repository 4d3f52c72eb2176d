"""The same servers in containers, for TEST_BACKEND=containers.

Invariant: same versions, passwords by SCRAM, nkeys and permissions as the embedded ones; ports are fixed on the
host, so that a killed container comes back at the same address.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from pydantic import SecretStr
from testcontainers.community.nats import NatsContainer
from testcontainers.community.postgres import PostgresContainer

from yoyaku.embedded.ports import LOOPBACK, choose_port
from yoyaku.embedded.postgres_server import SETTINGS, SUPERUSER, UNSAFE_BUT_FAST
from yoyaku.embedded.unprivileged import wheel_bin_dir
from yoyaku.postgres.settings import PostgresSettings

POSTGRES_IMAGE = "postgres:18-alpine"
NATS_IMAGE = "nats:2.15-alpine"
READY_TIMEOUT_SECONDS = 60.0
_CONFIG_FOLDER = "/etc/yoyaku"


class ContainerPostgres:
    """PostgreSQL in a container."""

    def __init__(self, password: SecretStr) -> None:
        self.host = LOOPBACK
        self.port = choose_port()
        self._password = password
        settings = {**SETTINGS, **UNSAFE_BUT_FAST}
        options = " ".join(f"-c '{name}={value}'" for name, value in settings.items())
        self._container = (
            PostgresContainer(
                POSTGRES_IMAGE, username=SUPERUSER, password=password.get_secret_value(), dbname="postgres", driver=None
            )
            .with_env("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")
            .with_env("POSTGRES_INITDB_ARGS", "--auth=scram-sha-256")
            .with_bind_ports(5432, self.port)
            .with_command(options)
        )

    @property
    def admin_settings(self) -> PostgresSettings:
        """How to log in as the superuser."""
        return PostgresSettings(
            host=self.host, port=self.port, database="postgres", user=SUPERUSER, password=self._password
        )

    @property
    def bin_dir(self) -> Path:
        """The wheel's client programs, of the same major version."""
        return wheel_bin_dir()

    def start(self) -> "ContainerPostgres":
        """Start the container; it accepts connections afterwards."""
        self._container.start()
        return self

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._container.get_wrapped_container().kill()

    def stop(self) -> None:
        """Shut it down cleanly, keeping its data."""
        self._container.get_wrapped_container().stop()

    def restart(self) -> None:
        """Start it again at the same address."""
        self._container.get_wrapped_container().restart()
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        command = [str(self.bin_dir / "pg_isready"), "--host", self.host, "--port", str(self.port)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def destroy(self) -> None:
        """Remove the container and its data."""
        self._container.stop()


class ContainerNats:
    """NATS in a container, with the rendered accounts."""

    def __init__(self, folder: Path, accounts_config: str) -> None:
        self.port = choose_port()
        self._monitor_port = choose_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "nats-server.conf").write_text(
            "port: 4222\nhttp: 8222\njetstream { store_dir: /data }\n" + accounts_config
        )
        self._container = (
            NatsContainer(NATS_IMAGE)
            .with_bind_ports(4222, self.port)
            .with_bind_ports(8222, self._monitor_port)
            .with_volume_mapping(str(folder), _CONFIG_FOLDER, "ro")
            .with_command(f"--config {_CONFIG_FOLDER}/nats-server.conf")
        )

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """The address of the monitoring endpoints."""
        return f"http://{LOOPBACK}:{self._monitor_port}"

    def start(self) -> "ContainerNats":
        """Start the container; its JetStream is healthy afterwards."""
        self._container.start()
        wait_until(self.is_ready)
        return self

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._container.get_wrapped_container().kill()

    def stop(self) -> None:
        """Shut it down cleanly, keeping its streams."""
        self._container.get_wrapped_container().stop()

    def restart(self) -> None:
        """Start it again at the same address."""
        self._container.get_wrapped_container().restart()
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        """Whether it and its JetStream are healthy."""
        try:
            return httpx.get(f"{self.monitor_url}/healthz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def destroy(self) -> None:
        """Remove the container and its streams."""
        self._container.stop()


def wait_until(ready: Callable[[], bool], timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
    """Return when `ready` says so. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"a container was not ready in {timeout_seconds:.0f} s")
        time.sleep(0.1)
