"""The whole system on one machine: what `yoyaku up` runs, and what tests of real processes run.

Invariants: one system a data folder; nothing of it outlives this process; a system that was killed leaves data that
the next start takes over without being asked.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psutil
from pydantic import SecretStr

from yoyaku.embedded.connection import Connection, RunningProcess, read_connection, remove_connection, write_connection
from yoyaku.embedded.data_lock import DataLock
from yoyaku.embedded.launch import launch
from yoyaku.embedded.log_lines import LogFiles
from yoyaku.embedded.nats_server import DURABLE_SYNC_INTERVAL, SERVER_SYNC_INTERVAL, EmbeddedNats
from yoyaku.embedded.ports import LOOPBACK, RememberedPorts, require_free
from yoyaku.embedded.postgres_server import STOP_SIGNAL as POSTGRES_STOP_SIGNAL
from yoyaku.embedded.postgres_server import SUPERUSER, EmbeddedPostgres
from yoyaku.embedded.processes import (
    DATABASES,
    GATEWAY,
    INFRASTRUCTURE_STAGE,
    NATS,
    OTLP_ENDPOINT,
    POSTGRES,
    SERVICE_PROCESSES,
    TELEMETRY_STORE,
    ServiceProcess,
    Surroundings,
    environment_of,
    specs_of_services,
)
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.embedded.supervisor import Notice, ProcessSpec, SupervisionError, Supervisor
from yoyaku.embedded.unprivileged import claim_data_folder
from yoyaku.messaging.permissions import render_accounts
from yoyaku.messaging.topology import BUS_USERS

ADMIN_USER_ID = "admin"
ADMIN_EXISTS_EXIT_CODE = 3
PREDECESSOR_SECONDS = 20.0
FIRST_ADMIN = "first-admin"
_ADMIN_TOLD = "admin.told"


class StepFailedError(SupervisionError):
    """A program that prepares the system ended with an error."""

    def __init__(self, step: str, code: int, words: str) -> None:
        super().__init__(f"{step} failed: {words or f'exit code {code}, and it wrote nothing'}")


@dataclass(frozen=True, slots=True)
class AdminCredentials:
    """The first administrator's sign-in, kept until `admin_was_told`."""

    user_id: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class SystemOptions:
    """What may be chosen about a system. Port 0: a free one, the same again next time."""

    data_dir: Path
    gateway_port: int = 0
    workers: int = 1
    fsync: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    overrides: Mapping[str, str] = field(default_factory=dict)
    write_log_files: bool = True
    services: tuple[ServiceProcess, ...] = SERVICE_PROCESSES

    @property
    def has_gateway(self) -> bool:
        """Whether the gateway is among the services, so that there are people and a first administrator."""
        return any(process.name == GATEWAY for process in self.services)


class Outputs(Protocol):
    """Takes the output of processes; services keep log files of their own only when it keeps none."""

    services_keep_files: bool

    def output(self, name: str) -> int:
        """Return a descriptor for a process's output; the caller closes it."""

    def last_lines(self, name: str) -> list[str]:
        """Return the newest lines a process wrote."""


class System:
    """A system that is being started, runs, or is being stopped."""

    def __init__(self, options: SystemOptions, outputs: Outputs, notice: Notice) -> None:
        self._options = options
        self._outputs = outputs
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self.data_dir = options.data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.admin: AdminCredentials | None = None
        self.supervisor = Supervisor(output=outputs.output, notice=notice, changed=self._write_connection)
        self.secrets = SecretsFolder(self.data_dir / "secrets")
        self.ports = RememberedPorts(self.data_dir / "ports.json")
        self.postgres: EmbeddedPostgres
        self.nats: EmbeddedNats
        self._around: Surroundings | None = None

    @property
    def around(self) -> Surroundings:
        """The addresses of everything. Raises SupervisionError before they were chosen."""
        if self._around is None:
            raise SupervisionError("the system was not started")
        return self._around

    @property
    def gateway_url(self) -> str:
        """The address of the gateway."""
        return f"http://{self.around.gateway_host}:{self.around.gateway_port}"

    @property
    def nats_url(self) -> str:
        """The address of NATS for clients."""
        return self.nats.url

    @property
    def telemetry_url(self) -> str | None:
        """The address of the telemetry store; None when telemetry goes to a collector of the user's."""
        return None if OTLP_ENDPOINT in self._options.environment else self.around.otlp_endpoint

    @property
    def process_names(self) -> list[str]:
        """The names of all supervised processes."""
        return list(self.supervisor.processes)

    def kill(self, name: str) -> int:
        """End a process with SIGKILL; it is started again by itself. Returns the pid that was killed."""
        return self.supervisor.kill(name)

    async def restart(self, name: str) -> None:
        """Stop a process cleanly, start it again, and return when it is ready."""
        await self.supervisor.restart(name)

    async def stop_process(self, name: str) -> None:
        """Stop a process cleanly and leave it stopped until `restart`."""
        await self.supervisor.stop_process(name)

    async def wait_ready(self, name: str, timeout_seconds: float | None = None) -> None:
        """Return when the process is ready. Raises NotReadyError."""
        await self.supervisor.wait_ready(name, timeout_seconds)

    def last_lines(self, name: str) -> list[str]:
        """Return the newest lines a process wrote."""
        return self._outputs.last_lines(name)

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of a service process, to run a second one or a command beside it."""
        process = next(process for process in self._options.services if process.name == name)
        return environment_of(process, self.around, self.secrets)

    async def start(self) -> None:
        """Start everything and return when all is ready. Raises SupervisionError and the servers' own errors."""
        await asyncio.to_thread(end_predecessors, self.data_dir)
        gateway_port = self.ports.port_for("gateway", fixed=self._options.gateway_port)
        self._make_servers()
        otlp = self._options.environment.get(OTLP_ENDPOINT)
        store_port = 0 if otlp else self.ports.port_for(TELEMETRY_STORE)
        await asyncio.gather(asyncio.to_thread(self.postgres.prepare), asyncio.to_thread(self.nats.prepare))
        self._around = self._surroundings(gateway_port, otlp or f"http://{LOOPBACK}:{store_port}")
        store = [] if otlp else [self._store_spec(store_port)]
        await self.supervisor.start([*store, self._postgres_spec(), self._nats_spec()])
        await self._bootstrap()
        depends_on = tuple(self.supervisor.processes)
        services = specs_of_services(self._options.services, self.around, self.secrets, depends_on)
        admin = asyncio.create_task(self._make_admin())
        try:
            await self.supervisor.start(services)
        finally:
            self.admin = await admin

    async def stop(self) -> None:
        """Drain: the gateway, the worker, the consumers, NATS, PostgreSQL, the telemetry store."""
        await self.supervisor.stop()
        remove_connection(self.data_dir)

    def connection(self) -> Connection:
        """Return how to reach the system, with its processes as they are now."""
        databases = {role: self.secrets.password_file(role) for role in self._roles()}
        return Connection(
            supervisor_pid=os.getpid(),
            since=self._since,
            gateway_url=self.gateway_url,
            nats_url=self.nats.url,
            nats_monitor_url=self.nats.monitor_url,
            nats_seed_files={user: self.secrets.nkey_seed_file(user) for user in BUS_USERS},
            postgres_host=self.postgres.host,
            postgres_port=self.postgres.port,
            postgres_bin_dir=self.postgres.bin_dir,
            postgres_data=self.postgres.data,
            password_files=databases,
            telemetry_url=self.telemetry_url,
            otlp_endpoint=self.around.otlp_endpoint,
            log_folder=self.data_dir / "logs",
            processes=self._running_processes(),
        )

    def _roles(self) -> list[str]:
        return [
            SUPERUSER,
            *(
                role
                for database in DATABASES
                for role in (database.owner_role, database.service_role, *database.further_roles)
            ),
        ]

    def _running_processes(self) -> list[RunningProcess]:
        return [
            RunningProcess(
                name=name,
                pid=one.pid,
                created_at=_created_at(one.pid),
                started_at=one.started_at.isoformat(timespec="seconds") if one.started_at else None,
                state=one.state.value,
                restarts=one.restarts,
                health_url=one.spec.ready_url,
            )
            for name, one in self.supervisor.processes.items()
        ]

    def _write_connection(self) -> None:
        if self._around is not None:
            write_connection(self.data_dir, self.connection())

    def _make_servers(self) -> None:
        self.postgres = EmbeddedPostgres(
            self.data_dir,
            superuser_password=self.secrets.password(SUPERUSER),
            port=self.ports.port_for(POSTGRES),
            fsync=self._options.fsync,
        )
        self.nats = EmbeddedNats(
            self.data_dir,
            accounts_config=render_accounts(self.secrets.nkeys_public(BUS_USERS)),
            port=self.ports.port_for(NATS),
            monitor_port=self.ports.port_for("nats-monitor"),
            sync_interval=DURABLE_SYNC_INTERVAL if self._options.fsync else SERVER_SYNC_INTERVAL,
        )

    def _surroundings(self, gateway_port: int, otlp_endpoint: str) -> Surroundings:
        backups = self.data_dir / "backups"
        backups.mkdir(mode=0o700, exist_ok=True)
        (self.data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        return Surroundings(
            data_dir=self.data_dir,
            postgres_host=self.postgres.host,
            postgres_port=self.postgres.port,
            postgres_bin_dir=self.postgres.bin_dir,
            nats_url=self.nats.url,
            gateway_host=LOOPBACK,
            gateway_port=gateway_port,
            health_ports={
                process.name: self.ports.port_for(f"{process.name}-health")
                for process in self._options.services
                if process.has_health_port
            },
            otlp_endpoint=otlp_endpoint,
            workers=self._options.workers,
            write_log_files=self._options.write_log_files and self._outputs.services_keep_files,
            inherited=self._options.environment,
            overrides=self._options.overrides,
        )

    def _store_spec(self, port: int) -> ProcessSpec:
        return ProcessSpec(
            TELEMETRY_STORE,
            (sys.executable, "-m", "yoyaku.embedded.telemetry_store", "--port", str(port)),
            env=self._options.environment,
            ready_url=f"http://{LOOPBACK}:{port}/health/ready",
            drain_stage=INFRASTRUCTURE_STAGE[TELEMETRY_STORE],
            drain_seconds=5,
        )

    def _postgres_spec(self) -> ProcessSpec:
        return ProcessSpec(
            POSTGRES,
            tuple(self.postgres.command()),
            env=self.postgres.environment(),
            is_ready=self.postgres.is_ready,
            prepare=self.postgres.prepare,
            started=self.postgres.adopt,
            account=self.postgres.account,
            stop_signal=POSTGRES_STOP_SIGNAL,
            drain_stage=INFRASTRUCTURE_STAGE[POSTGRES],
            drain_seconds=30,
        )

    def _nats_spec(self) -> ProcessSpec:
        return ProcessSpec(
            NATS,
            tuple(self.nats.command()),
            env=self.nats.environment(),
            is_ready=self.nats.is_ready,
            prepare=self.nats.prepare,
            started=self.nats.adopt,
            drain_stage=INFRASTRUCTURE_STAGE[NATS],
            drain_seconds=10,
        )

    async def _bootstrap(self) -> None:
        where = ["--postgres-host", self.postgres.host, "--postgres-port", str(self.postgres.port)]
        command = ["-m", "yoyaku.embedded.bootstrap", "--secrets", str(self.secrets.folder), *where]
        code, out, err = await self._run([*command, "--nats-url", self.nats.url], self._options.environment)
        if code != 0:
            raise StepFailedError("preparing databases and streams", code, self._reason("bootstrap", out + err))

    async def _make_admin(self) -> AdminCredentials | None:
        """Make the first administrator, or find the one that an earlier start made and could not tell anybody of."""
        if (self.data_dir / _ADMIN_TOLD).exists() or not self._options.has_gateway:
            return None
        left_untold = self.secrets.has_password(FIRST_ADMIN)
        password = ["--password-file", str(self.secrets.password_file(FIRST_ADMIN))]
        command = ["-m", "yoyaku.booking", "create-admin", "--user-id", ADMIN_USER_ID, *password, "--json"]
        code, _, err = await self._run(command, self.environment_of(GATEWAY))
        if code not in (0, ADMIN_EXISTS_EXIT_CODE):
            raise StepFailedError("creating the first administrator", code, self._reason("create-admin", err))
        if code == ADMIN_EXISTS_EXIT_CODE and not left_untold:
            self.admin_was_told()
            return None
        return AdminCredentials(ADMIN_USER_ID, self.secrets.password(FIRST_ADMIN))

    def admin_was_told(self) -> None:
        """Forget the first administrator's password: until somebody was shown it, each start gives it again."""
        (self.data_dir / _ADMIN_TOLD).touch()
        self.secrets.forget_password(FIRST_ADMIN)

    def _reason(self, step: str, written: str) -> str:
        """Return what a step said after `error: `, else its last line, with all it wrote kept in a file."""
        _, said, reason = f"\n{written}".rpartition("\nerror: ")
        if said:
            return reason.strip()
        file = self.data_dir / "logs" / f"{step}.log"
        file.touch(mode=0o600)
        file.write_text(written)
        last = next((line.strip() for line in reversed(written.splitlines()) if line.strip()), "")
        return f"{last} (the rest is in {file})" if last else ""

    async def _run(self, arguments: list[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Run a Python program to its end; its exit code and what it wrote on both outputs."""
        process = launch([sys.executable, *arguments], env=env, output=subprocess.PIPE, death_signal=signal.SIGKILL)
        try:
            out, err = await asyncio.to_thread(process.communicate)
        except asyncio.CancelledError:
            process.kill()
            raise
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def end_predecessors(data_dir: Path) -> None:
    """End what an earlier system on this folder left running; the caller holds the lock, so these are orphans."""
    earlier = read_connection(data_dir)
    orphans = [_same_process(one) for one in earlier.processes] if earlier is not None else []
    alive = [orphan for orphan in orphans if orphan is not None]
    for orphan in alive:
        orphan.send_signal(signal.SIGINT if orphan.name() == POSTGRES else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(alive, timeout=PREDECESSOR_SECONDS)
    for orphan in stubborn:
        orphan.kill()
    remove_connection(data_dir)


def _same_process(one: RunningProcess) -> psutil.Process | None:
    if one.pid is None or one.created_at is None:
        return None
    try:
        process = psutil.Process(one.pid)
        return process if abs(process.create_time() - one.created_at) < 0.05 else None
    except psutil.Error:
        return None


def _created_at(pid: int | None) -> float | None:
    try:
        return psutil.Process(pid).create_time() if pid is not None else None
    except psutil.Error:
        return None


def _silent(name: str, what: str, facts: Mapping[str, object]) -> None:
    """Show nothing."""


def _claim(data_dir: Path, gateway_port: int) -> None:
    """Make the data folder, unless a new one would be left behind by a start that the port refuses."""
    if gateway_port and not data_dir.exists():
        require_free(gateway_port)
    claim_data_folder(data_dir)


@asynccontextmanager
async def start_system(
    data_dir: Path,
    *,
    gateway_port: int = 0,
    workers: int = 1,
    fsync: bool = True,
    overrides: Mapping[str, str] | None = None,
    outputs: Outputs | None = None,
    notice: Notice = _silent,
    options: SystemOptions | None = None,
    on_created: Callable[[System], object] = lambda _: None,
) -> AsyncIterator[System]:
    """Run a system for as long as the block; it is ready inside and drained afterwards.

    `overrides` are environment variables that win over the wiring (`SECURITY_DETECTOR_BLOCK_SECONDS` ...). Without
    `outputs` each process writes into `<data_dir>/logs/<process>.log`. Raises DataInUseError, PortTakenError,
    SupervisionError, PostgresStartError, PlacementError.
    """
    chosen = options or SystemOptions(
        data_dir,
        gateway_port=gateway_port,
        workers=workers,
        fsync=fsync,
        overrides=overrides or {},
    )
    _claim(data_dir, chosen.gateway_port)
    with DataLock(data_dir).take(chosen.gateway_port) as lock:
        system = System(chosen, outputs or LogFiles(data_dir / "logs"), notice)
        on_created(system)
        try:
            await system.start()
            lock.name_port(system.around.gateway_port)
            yield system
        finally:
            await system.stop()
