"""Takes a base backup with pg_basebackup.

Invariants: the password is in no argument and no environment, only in a file of mode 0600 inside the run's workspace,
which goes when the tool ends; the tool and its WAL receiver end with this process, whatever ends it.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Final

from yoyaku.backup_coordinator import telemetry
from yoyaku.backup_coordinator.adapters.pg_tools import guard
from yoyaku.backup_coordinator.settings import ReplicationSettings
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.backup_coordinator.verify import BASE_FOLDER
from yoyaku.postgres.errors import PasswordFileError
from yoyaku.postgres.settings import PostgresSettings

TOOL: Final = "pg_basebackup"
PASSWORD_FILE: Final = ".pgpass"  # noqa: S105 - the name of a file
CONNECT_SECONDS: Final = 10
_MAX_TOLD_BYTES: Final = 16 * 1024
_MAX_REASON: Final = 400


class PgBaseBackup:
    """pg_basebackup of one server's major version, with the rights of a replication role."""

    def __init__(self, settings: ReplicationSettings, bin_dir: Path) -> None:
        self._settings = settings
        self._tool = bin_dir / TOOL

    async def take(self, workspace: str) -> None:
        """Write a base backup, with the WAL it needs and a SHA-256 manifest, into the folder `base` of the workspace.

        The tool flushes what it writes to disk. Raises BackupFailedError; cancelling kills the tool.
        """
        if not os.access(self._tool, os.X_OK):
            raise BackupFailedError(f"{TOOL} is missing or cannot be run")
        folder = Path(workspace)
        password_file = self._write_password_file(folder)
        try:
            with telemetry.TRACER.start_as_current_span(telemetry.TAKE_SPAN):
                process = await self._start(folder / BASE_FOLDER, password_file)
                told = await _ended(process)
        finally:
            password_file.unlink(missing_ok=True)
        if process.returncode != 0:
            raise BackupFailedError(_reason(told, process.returncode))

    async def _start(self, target: Path, password_file: Path) -> Process:
        arguments = [
            str(self._tool),
            f"--host={self._settings.host}",
            f"--port={self._settings.port}",
            f"--username={self._settings.user}",
            "--no-password",
            f"--pgdata={target}",
            "--format=plain",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--manifest-checksums=SHA256",
        ]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "PGPASSFILE": str(password_file),
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
            "PGAPPNAME": "yoyaku-backup-coordinator",
        }
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(guard.__file__),
                *arguments,
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise BackupFailedError(f"{TOOL} cannot be started: {error.strerror}") from error

    def _write_password_file(self, folder: Path) -> Path:
        settings = self._settings
        reachable = PostgresSettings(
            host=settings.host, port=settings.port, database="replication", user=settings.user,
            password_file=settings.password_file,
        )  # fmt: skip
        try:
            password = reachable.read_password() or ""
        except PasswordFileError as error:
            raise BackupFailedError("the password file of the replication role cannot be used") from error
        fields = (settings.host, str(settings.port), "*", settings.user, password)
        path = folder / PASSWORD_FILE
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(":".join(_escaped(field) for field in fields) + "\n")
        except OSError as error:
            raise BackupFailedError(f"the backup folder cannot be written: {error.strerror}") from error
        return path


async def _ended(process: Process) -> str:
    """Wait for the tool and return the end of what it told; kill it when cancelled."""
    assert process.stderr is not None
    assert process.stdin is not None
    told = b""
    try:
        while chunk := await process.stderr.read(4096):
            told = (told + chunk)[-_MAX_TOLD_BYTES:]
        await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        process.stdin.close()
        await asyncio.shield(process.wait())
    return told.decode("utf-8", "replace")


def _reason(told: str, code: int | None) -> str:
    """Make one line for people of what the tool said last."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "fatal:" in line.lower()] or lines[-2:]
    text = "; ".join(dict.fromkeys(errors)) or f"{TOOL} ended with code {code}"
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable[:_MAX_REASON]


def _escaped(field: str) -> str:
    """Escape a field of a password file. Source: PostgreSQL documentation, "The Password File"."""
    return field.replace("\\", "\\\\").replace(":", "\\:")
