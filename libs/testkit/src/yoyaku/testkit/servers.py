"""The servers tests run against, chosen once by TEST_BACKEND: from wheels, or in containers.

Both give the same: passwords by SCRAM, nkeys with the real permissions, the same address after a kill and restart.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import psutil

from yoyaku.postgres.settings import PostgresSettings

Backend = Literal["embedded", "containers"]
BACKEND_VARIABLE = "TEST_BACKEND"
_SCRATCH_PREFIX = "yoyaku-tests-"


class PostgresServer(Protocol):
    """A running PostgreSQL 18."""

    @property
    def host(self) -> str:
        """The address of the server."""

    @property
    def port(self) -> int:
        """The port of the server."""

    @property
    def admin_settings(self) -> PostgresSettings:
        """How to log in as the superuser."""

    @property
    def bin_dir(self) -> Path:
        """PostgreSQL's client programs on this machine."""

    def kill(self) -> None:
        """End it with SIGKILL."""

    def stop(self) -> None:
        """Shut it down cleanly."""

    def restart(self) -> None:
        """Start it again on the same port."""

    def is_ready(self) -> bool:
        """Whether it accepts connections."""


class NatsServer(Protocol):
    """A running NATS server with JetStream."""

    @property
    def url(self) -> str:
        """The address for clients."""

    @property
    def monitor_url(self) -> str:
        """The address of the monitoring endpoints."""

    def kill(self) -> None:
        """End it with SIGKILL."""

    def stop(self) -> None:
        """Shut it down cleanly."""

    def restart(self) -> None:
        """Start it again on the same port."""

    def is_ready(self) -> bool:
        """Whether it and its JetStream are healthy."""


def chosen_backend(environment: Mapping[str, str]) -> Backend:
    """Return the backend that TEST_BACKEND names; `embedded` without it. Raises ValueError on another word."""
    match environment.get(BACKEND_VARIABLE, "embedded"):
        case "embedded":
            return "embedded"
        case "containers":
            return "containers"
        case other:
            raise ValueError(f"{BACKEND_VARIABLE} must be 'embedded' or 'containers', not {other!r}")


def make_scratch_folder() -> Path:
    """Make the folder of this test run, and delete those of runs that were killed."""
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{_SCRATCH_PREFIX}*"):
        owner = re.match(rf"{_SCRATCH_PREFIX}(\d+)-", old.name)
        if owner and not psutil.pid_exists(int(owner[1])) and old.stat().st_uid == os.geteuid():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)
    return folder
