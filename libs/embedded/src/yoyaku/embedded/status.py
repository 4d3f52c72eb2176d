"""`yoyaku status`: each process of the running system, its health, its memory and its lag."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import httpx
import psutil
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yoyaku.embedded.connection import Connection, RunningProcess, read_connection
from yoyaku.embedded.data_lock import holder_of
from yoyaku.embedded.processes import DATABASES, SERVICE_PROCESSES, DatabaseOfService

DEFAULT_DATA = Path(".yoyaku")
TIMEOUT_SECONDS = 3.0
MEBIBYTE = 1024 * 1024
WIDE = 76
"""Columns from which process ids and restarts are shown."""
OUTBOX_PENDING = """
SELECT coalesce(sum(s.last_number - c.published_number), 0)::bigint
FROM outbox_shard AS s JOIN outbox_cursor AS c USING (shard)
"""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process: `memory_mib` is its proportional share with its children, `health` pass, warn, fail or none."""

    name: str
    pid: int | None
    state: str
    uptime_seconds: int | None
    restarts: int
    health: str
    memory_mib: float | None
    health_url: str | None = None


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Everything `yoyaku status` shows. `consumers`: messages waiting; `outboxes`: unpublished events by service."""

    gateway_url: str
    since: str
    processes: list[ProcessStatus]
    supervisor_memory_mib: float | None
    consumers: dict[str, int]
    outboxes: dict[str, int | None]

    @property
    def memory_mib(self) -> float:
        """The memory of the whole system."""
        return round(sum(one.memory_mib or 0 for one in self.processes) + (self.supervisor_memory_mib or 0), 1)

    @property
    def healthy(self) -> bool:
        """Whether every process runs and none says it is not ready."""
        return all(one.pid is not None and one.health != "fail" for one in self.processes)


def status(
    *,
    data: Annotated[Path, typer.Option(help="The data folder of the running system.")] = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show each process, its health, its memory and its lag. Exits 1 when nothing runs or something is not healthy."""
    holder, connection = holder_of(data), read_connection(data)
    if holder is None or connection is None:
        missing = f"no system runs on {data}; start one with `yoyaku up`, or name its folder with --data"
        Console(stderr=True).print(Text.assemble(("error: ", "red"), missing), soft_wrap=True)
        raise typer.Exit(1)
    found = asyncio.run(examine(connection))
    if as_json:
        told = {**asdict(found), "memory_mib": found.memory_mib, "healthy": found.healthy}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        _show(found)
    raise typer.Exit(0 if found.healthy else 1)


async def examine(connection: Connection) -> SystemStatus:
    """Ask every process, NATS and each database; what does not answer in time is shown as unknown."""
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as client:
        healths, consumers, outboxes = await asyncio.gather(
            asyncio.gather(*(_health(client, one) for one in connection.processes)),
            _consumers(client, connection),
            asyncio.gather(*(_outbox(connection, database.name) for database in DATABASES)),
        )
    return SystemStatus(
        gateway_url=connection.gateway_url,
        since=connection.since,
        processes=[_status(one, health) for one, health in zip(connection.processes, healths, strict=True)],
        supervisor_memory_mib=_memory_mib(connection.supervisor_pid, with_children=False),
        consumers=consumers,
        outboxes={_service_of(database): pending for database, pending in zip(DATABASES, outboxes, strict=True)},
    )


def _service_of(database: DatabaseOfService) -> str:
    return next(process.service for process in SERVICE_PROCESSES if process.database == database)


def _status(one: RunningProcess, health: str) -> ProcessStatus:
    started = datetime.fromisoformat(one.started_at) if one.started_at else None
    uptime = int((datetime.now(UTC) - started).total_seconds()) if started and one.pid else None
    memory = _memory_mib(one.pid) if one.pid else None
    return ProcessStatus(one.name, one.pid, one.state, uptime, one.restarts, health, memory, one.health_url)


async def _health(client: httpx.AsyncClient, one: RunningProcess) -> str:
    if one.health_url is None:
        return "pass" if one.pid is not None and psutil.pid_exists(one.pid) else "fail"
    try:
        answer = await client.get(one.health_url)
    except httpx.HTTPError:
        return "fail"
    try:
        return str(answer.json().get("status", "pass" if answer.is_success else "fail"))
    except (ValueError, AttributeError):
        return "pass" if answer.is_success else "fail"


async def _consumers(client: httpx.AsyncClient, connection: Connection) -> dict[str, int]:
    try:
        answer = await client.get(f"{connection.nats_monitor_url}/jsz?accounts=1&streams=1&consumers=1")
        accounts: list[dict[str, Any]] = answer.json().get("account_details") or []
    except (httpx.HTTPError, ValueError):
        return {}
    return {
        str(consumer["name"]): int(consumer["num_pending"]) + int(consumer["num_ack_pending"])
        for account in accounts
        for stream in account.get("stream_detail") or []
        for consumer in stream.get("consumer_detail") or []
    }


async def _outbox(connection: Connection, database: str) -> int | None:
    try:
        owner = f"{database}_owner"
        session = await asyncpg.connect(
            host=connection.postgres_host,
            port=connection.postgres_port,
            database=database,
            user=owner,
            password=connection.password_files[owner].read_text().strip(),
            timeout=TIMEOUT_SECONDS,
        )
        try:
            return int(await session.fetchval(OUTBOX_PENDING, timeout=TIMEOUT_SECONDS))
        finally:
            await session.close()
    except (OSError, KeyError, asyncpg.PostgresError, TimeoutError):
        return None


def _memory_mib(pid: int, *, with_children: bool = True) -> float | None:
    try:
        process = psutil.Process(pid)
        members = [process, *(process.children(recursive=True) if with_children else [])]
        return round(sum(member.memory_full_info().pss for member in members) / MEBIBYTE, 1)
    except (psutil.Error, AttributeError):
        return None


def _show(found: SystemStatus) -> None:
    console = Console()
    console.print(processes_table(found, console.width))
    console.print(_lag_table(found))
    console.print(
        f"{found.memory_mib:.0f} MiB in all, with {found.supervisor_memory_mib or 0:.0f} MiB of the supervisor"
    )


def processes_table(found: SystemStatus, width: int) -> Table:
    """Draw the processes; on a narrow terminal without what programs want rather than people."""
    wide = width >= WIDE
    table = Table(title=f"Yoyaku at {found.gateway_url}", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Process", *(["PID"] if wide else []), "State", "Up", *(["Restarts"] if wide else [])):
        table.add_column(name, no_wrap=True)
    for name in ("Health", "Memory"):
        table.add_column(name, no_wrap=True)
    for one in found.processes:
        style = {"pass": "green", "warn": "yellow"}.get(one.health, "red")
        memory = f"{one.memory_mib:.0f} MiB" if one.memory_mib is not None else "?"
        pid = [str(one.pid or "-")] if wide else []
        restarts = [str(one.restarts)] if wide else []
        up = _duration(one.uptime_seconds)
        table.add_row(one.name, *pid, one.state, up, *restarts, Text(one.health, style=style), memory)
    return table


def _lag_table(found: SystemStatus) -> Table:
    table = Table("Waiting", "Events", title="Lag", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, pending in found.outboxes.items():
        table.add_row(f"outbox of {name}", "?" if pending is None else str(pending))
    for name, pending in sorted(found.consumers.items()):
        table.add_row(f"consumer {name}", str(pending))
    return table


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
