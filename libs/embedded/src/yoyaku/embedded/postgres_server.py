"""Runs PostgreSQL 18 from the wheel as a direct child process.

Invariants: it listens on loopback and on a socket in a private folder only; every login proves a password by
SCRAM-SHA-256, the superuser's too; replication is for the role `backup_replication` alone; it never outlives the
process that started it; what a kill -9 left behind (postmaster.pid, dying backends) does not keep it from starting.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import SecretStr

from yoyaku.embedded.launch import Account, kill_tree, launch, stop
from yoyaku.embedded.ports import LOOPBACK, choose_port, require_free
from yoyaku.embedded.unprivileged import Placement, place
from yoyaku.postgres.settings import PostgresSettings

SUPERUSER = "postgres"
REPLICATION_ROLE = "backup_replication"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
STOP_SIGNAL = signal.SIGINT
"""PostgreSQL's fast shutdown: sessions are ended, a checkpoint is written."""

_LONGEST_SOCKET_FOLDER = 90
_HBA = f"""# Written at each start: changes made here are lost.
# type  database     user                 address        method
local   all          all                                 scram-sha-256
host    all          all                  127.0.0.1/32   scram-sha-256
local   replication  {REPLICATION_ROLE}                  scram-sha-256
host    replication  {REPLICATION_ROLE}   127.0.0.1/32   scram-sha-256
"""

SETTINGS: Mapping[str, str] = {
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "wal_level": "replica",
    "summarize_wal": "on",
    "wal_summary_keep_time": "10d",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "shared_buffers": "64MB",
    "max_connections": "120",
    "max_wal_size": "512MB",
    "io_workers": "2",
    "max_parallel_workers": "2",
    "autovacuum_max_workers": "2",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # What people type (titles, names) never reaches the log: no statements, parameters or key values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
"""Server settings of every instance; a memory budget small enough for the whole system to idle under 700 MB."""

UNSAFE_BUT_FAST: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""For tests: loses data when the machine dies, not when the server is killed."""


class PostgresStartError(Exception):
    """PostgreSQL could not be started; the message ends with the last lines it wrote."""


class EmbeddedPostgres:
    """One PostgreSQL server over one data folder.

    `start` does all three steps; a supervisor takes them one by one: `prepare` (slow, any thread), `launch` (quick,
    the main thread, see `yoyaku.embedded.launch`), `wait_until_ready`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        superuser_password: SecretStr,
        port: int = 0,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.host = LOOPBACK
        self.fsync = fsync
        self._port = port
        self._password = superuser_password
        self._settings = {**SETTINGS, **({} if fsync else UNSAFE_BUT_FAST), **(settings or {})}
        self._data_dir = data_dir.resolve()
        self._placement: Placement | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        superuser_password: SecretStr,
        port: int = 0,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a server that answers, made on first use. Raises PostgresStartError, PortTakenError."""
        server = cls(data_dir, superuser_password=superuser_password, port=port, fsync=fsync, settings=settings)
        server.prepare()
        server.launch()
        server.wait_until_ready()
        return server

    @property
    def port(self) -> int:
        """The port on loopback; known once the server was prepared."""
        return self._port

    @property
    def placement(self) -> Placement:
        """Where the server's files are and as whom it runs; known once it was prepared."""
        if self._placement is None:
            raise PostgresStartError("PostgreSQL was not prepared")
        return self._placement

    @property
    def account(self) -> Account | None:
        """The unprivileged user it runs as; None when that is the user we are."""
        return self.placement.account

    @property
    def bin_dir(self) -> Path:
        """The folder of PostgreSQL's programs (psql, pg_basebackup, pgbench ...)."""
        return self.placement.bin_dir

    @property
    def data(self) -> Path:
        """The folder of the cluster (PGDATA)."""
        return self.placement.root / "data"

    @property
    def log_file(self) -> Path:
        """Where the server writes when no other output was given."""
        return self.placement.root / "postgres.log"

    @property
    def socket_dir(self) -> Path:
        """The private folder of the unix socket."""
        if self._socket_dir is None:
            raise PostgresStartError("PostgreSQL was not prepared")
        return self._socket_dir

    @property
    def pid(self) -> int | None:
        """The process id of the running server, else None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def admin_settings(self) -> PostgresSettings:
        """How to log in as the superuser, into the database `postgres`."""
        return PostgresSettings(
            host=self.host, port=self.port, database="postgres", user=SUPERUSER, password=self._password
        )

    def prepare(self) -> None:
        """Make the cluster when there is none, choose the port, clear what a killed server left behind.

        Raises PostgresStartError, PlacementError, PortTakenError.
        """
        self._placement = place(self._data_dir)
        self._socket_dir = self._make_socket_dir()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._write_hba()
        end_predecessor(self.data)
        self._port = require_free(self._port) if self._port else choose_port()

    def command(self) -> list[str]:
        """Return the command that runs the server; it holds no secret."""
        settings = {
            **self._settings,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.bin_dir / "postgres"), "-D", str(self.data), *options]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of PostgreSQL's programs."""
        return {"LC_ALL": "C", "TZ": "UTC", "PATH": f"{self.bin_dir}:/usr/bin:/bin"}

    def launch(self, output: int | None = None) -> "subprocess.Popen[bytes]":
        """Start the server process; its output goes to `output` (a descriptor), else to `log_file`."""
        if output is not None:
            self._process = self._launch_to(output)
        else:
            with self.log_file.open("ab") as log:
                self._process = self._launch_to(log.fileno())
        return self._process

    def adopt(self, process: "subprocess.Popen[bytes]") -> None:
        """Take over a server process that a supervisor started from `command`."""
        self._process = process

    def is_ready(self) -> bool:
        """Whether the running server accepts connections, as it says itself in postmaster.pid."""
        pid, status = _read_pid_file(self.data)
        return self.pid is not None and pid == self.pid and status == "ready"

    def wait_until_ready(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Return when the server accepts connections. Raises PostgresStartError when it ends or takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready():
            if self.pid is None:
                raise PostgresStartError(f"PostgreSQL ended while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                raise PostgresStartError(f"PostgreSQL was not ready in {timeout_seconds:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut the server down cleanly; nothing happens when it does not run."""
        if self._process is not None:
            stop(self._process, STOP_SIGNAL, wait_seconds=STOP_TIMEOUT_SECONDS)
        if self._socket_dir is not None and not self._socket_dir.is_relative_to(self.placement.root):
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def kill(self) -> None:
        """End the server and all its backends with SIGKILL, as a crash of the machine's power would."""
        if self._process is not None:
            kill_tree(self._process)

    def restart(self) -> None:
        """Start it again on the same port, after a clean stop when it still runs."""
        if self.pid is not None:
            self.stop()
        self.prepare()
        self.launch()
        self.wait_until_ready()

    def destroy(self) -> None:
        """Stop the server and delete its data, for tests."""
        self.stop()
        shutil.rmtree(self.placement.root, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def _launch_to(self, output: int) -> "subprocess.Popen[bytes]":
        return launch(
            self.command(),
            env=self.environment(),
            output=output,
            cwd=Path("/"),
            account=self.account,
            death_signal=STOP_SIGNAL,
        )

    def _make_socket_dir(self) -> Path:
        socket_dir = self.placement.root / "run"
        if len(str(socket_dir)) > _LONGEST_SOCKET_FOLDER:
            socket_dir = self._socket_dir or Path(tempfile.mkdtemp(prefix="yoyaku-pg-"))
        socket_dir.mkdir(mode=0o700, exist_ok=True)
        self._give_to_account(socket_dir)
        return socket_dir

    def _initialise(self) -> None:
        """Make the cluster in a scratch folder and rename it, so that a kill in the middle leaves nothing half made."""
        scratch = self.placement.root / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        password_file = self.placement.root / "superuser.password"
        password_file.touch(mode=0o600)
        self._give_to_account(password_file)
        password_file.write_text(self._password.get_secret_value() + "\n")
        options = ["--auth=scram-sha-256", f"--username={SUPERUSER}", f"--pwfile={password_file}", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"]
        options += [] if self.fsync else ["--no-sync"]
        try:
            done = self._run([str(self.bin_dir / "initdb"), "-D", str(scratch), *options])
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise PostgresStartError(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-800:]}")
        scratch.rename(self.data)

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        process = launch(
            command,
            env=self.environment(),
            output=subprocess.PIPE,
            cwd=Path("/"),
            account=self.account,
            death_signal=signal.SIGKILL,
        )
        out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, (err or b"") + (out or b""))

    def _write_hba(self) -> None:
        hba = self.data / "pg_hba.conf"
        hba.write_text(_HBA)
        hba.chmod(0o600)
        self._give_to_account(hba)

    def _give_to_account(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _last_words(self) -> str:
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote nothing"
        return " | ".join(lines[-8:]) or "it wrote nothing"


def end_predecessor(data: Path, *, wait_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
    """Wait until no server of an earlier start works on `data`, ending one that still does.

    The caller holds the data folder, so such a server is an orphan. A stale postmaster.pid whose number now belongs
    to another program is removed, because PostgreSQL would take that program for its twin.
    """
    pid, _ = _read_pid_file(data)
    if pid is None:
        return
    orphans = _servers_on(data)
    for orphan in orphans:
        if orphan.pid == pid:
            orphan.send_signal(STOP_SIGNAL)
    _, alive = psutil.wait_procs(orphans, timeout=wait_seconds)
    for orphan in alive:
        orphan.kill()
    psutil.wait_procs(alive, timeout=wait_seconds)
    if not any(orphan.pid == pid for orphan in orphans):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _servers_on(data: Path) -> list[psutil.Process]:
    """Find the postmaster and backends whose working folder is `data` (PostgreSQL enters it at start)."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == data:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _read_pid_file(data: Path) -> tuple[int | None, str]:
    """Return the process id and the status a server wrote into postmaster.pid, (None, "") without one."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (OSError, ValueError, IndexError):
        return None, ""
