"""The file that tells other programs how to reach a running system: `<data>/connection.json`, mode 0600.

Invariant: it is replaced whole, never written in place; it holds paths of secrets, no secret. It is believed only
while the data folder's lock is held.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_NAME = "connection.json"


class RunningProcess(BaseModel):
    """One supervised process as of the last change; `created_at` is the kernel's start time, to know it again."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int | None
    created_at: float | None
    started_at: str | None
    state: str
    restarts: int
    health_url: str | None


class Connection(BaseModel):
    """How to reach a running system."""

    model_config = ConfigDict(frozen=True)

    supervisor_pid: int
    since: str
    gateway_url: str
    nats_url: str
    nats_monitor_url: str
    nats_seed_files: dict[str, Path]
    postgres_host: str
    postgres_port: int
    postgres_bin_dir: Path
    postgres_data: Path
    password_files: dict[str, Path]
    telemetry_url: str | None
    otlp_endpoint: str
    log_folder: Path
    processes: list[RunningProcess]


def write_connection(data_dir: Path, connection: Connection) -> None:
    """Replace the file."""
    descriptor, scratch = tempfile.mkstemp(dir=data_dir, prefix=f".{_NAME}-")
    with os.fdopen(descriptor, "w") as file:
        file.write(connection.model_dump_json(indent=1) + "\n")
    Path(scratch).replace(data_dir / _NAME)


def read_connection(data_dir: Path) -> Connection | None:
    """Return what the file says, None when there is none or it is not readable."""
    try:
        return Connection.model_validate_json((data_dir / _NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def remove_connection(data_dir: Path) -> None:
    """Delete the file."""
    (data_dir / _NAME).unlink(missing_ok=True)


def as_json(connection: Connection) -> dict[str, Any]:
    """Return the connection as plain JSON values."""
    return connection.model_dump(mode="json")
