# ruff: noqa: ASYNC240
"""The backup coordinator as real processes on a real bus and a real database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from yoyaku.backup_coordinator.adapters.postgres.catalogue import PostgresCatalogue
from yoyaku.backup_coordinator.domain.run import RunKind
from yoyaku.messaging.ids import new_event_id
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.servers import PostgresServer

Eventually = Callable[..., Awaitable[None]]
Start = Callable[..., Any]
YOYAKU = Path(sys.executable).parent / "yoyaku"


@pytest.fixture
def data(bus: Bus, tmp_path: Path) -> Path:
    """A data folder as a running system leaves it."""
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    return tmp_path


async def yoyaku(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(YOYAKU), "backup", *arguments, "--data", str(data)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=90, check=False)


async def runs_of(pool: Pool) -> list[dict[str, Any]]:
    rows = await pool.fetch(
        "SELECT run_id::text AS run_id, trigger, state, reason FROM backup_run ORDER BY requested_at"
    )
    return [dict(row) for row in rows]


def states(pool: Pool, *expected: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return [run["state"] for run in await runs_of(pool)] == list(expected)

    return check


async def told(js: JetStreamContext) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Return what stands in the stream BACKUP: type, body, headers."""
    found: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    info = await js.stream_info("BACKUP")
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        try:
            message = await js.get_msg("BACKUP", sequence)
        except NotFoundError:
            continue
        found.append((message.subject or "", json.loads(message.data or b"null"), message.headers or {}))
    return found


def has_told(js: JetStreamContext, *types: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return sorted(kind for kind, _, _ in await told(js)) == sorted(types)

    return check


def tools_of(folder: Path) -> list[psutil.Process]:
    """Return every process that works on a backup in this folder."""
    me = os.getpid()
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != me and any(str(folder) in argument for argument in process.info["cmdline"] or ())
    ]


def working_on(folder: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool(tools_of(folder))

    return check


@pytest.mark.requirement("BC-01", "BC-04", "EV-07")
async def test_a_backup_is_taken_listed_verified_and_told_in_one_trace(
    start_coordinator: Start, data: Path, directory: Path, js: JetStreamContext, eventually: Eventually
) -> None:
    coordinator = start_coordinator()
    await eventually(coordinator.leads)
    taken = await yoyaku(data, "now", "--json")
    assert taken.returncode == 0, taken.stderr
    run = json.loads(taken.stdout)["run"]
    assert run["state"] == "completed"
    assert run["file_count"] > 500
    assert [place.name for place in directory.iterdir()] == [run["run_id"]]

    listed = await yoyaku(data, "list", "--json")
    assert json.loads(listed.stdout)["runs"] == [run]
    assert run["run_id"] in (await yoyaku(data, "list")).stdout

    verified = await yoyaku(data, "verify", run["run_id"], "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["intact"] is True
    control = directory / run["run_id"] / "base" / "global" / "pg_control"
    content = bytearray(control.read_bytes())
    content[100] ^= 1
    control.write_bytes(content)
    verified = await yoyaku(data, "verify", run["run_id"])
    assert verified.returncode == 1
    assert "base/global/pg_control: wrong checksum" in verified.stderr

    await eventually(has_told(js, "backup.run.started.v1", "backup.run.completed.v1"))
    events = await told(js)
    assert {body["run_id"] for _, body, _ in events} == {run["run_id"]}
    assert {headers["ce-actor"] for _, _, headers in events} == {"operator"}
    traces = {headers["traceparent"].split("-")[1] for _, _, headers in events}
    assert len(traces) == 1
    assert {headers["ce-correlationid"] for _, _, headers in events} == traces


@pytest.mark.requirement("BC-06")
async def test_a_run_whose_coordinator_was_killed_has_failed_and_nothing_of_it_is_left(
    start_coordinator: Start,
    slow_tools: Path,
    data: Path,
    directory: Path,
    pool: Pool,
    js: JetStreamContext,
    eventually: Eventually,
) -> None:
    coordinator = start_coordinator(PG_BIN_DIR=str(slow_tools))
    await eventually(coordinator.leads)
    begun = await yoyaku(data, "now", "--no-wait", "--json")
    run_id = json.loads(begun.stdout)["run"]["run_id"]

    async def tool_works() -> bool:
        return (directory / f"{run_id}.partial" / "base").is_dir()

    await eventually(tool_works)
    working = tools_of(directory)
    assert len(working) >= 2
    coordinator.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, working, timeout=15)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    (directory / "somebody-elses").mkdir()
    await eventually(start_coordinator().leads)
    await eventually(states(pool, "failed"))
    await eventually(has_told(js, "backup.run.started.v1", "backup.run.failed.v1"))

    async def cleaned() -> bool:
        return [place.name for place in directory.iterdir()] == ["somebody-elses"]

    await eventually(cleaned)
    assert "the coordinator ended" in (await runs_of(pool))[0]["reason"]
    assert (await yoyaku(data, "verify", run_id)).returncode == 1


@pytest.mark.requirement("BC-06", "GW-07")
async def test_told_to_stop_in_the_middle_it_fails_the_run_and_ends(
    start_coordinator: Start, slow_tools: Path, data: Path, directory: Path, pool: Pool, eventually: Eventually
) -> None:
    coordinator = start_coordinator(PG_BIN_DIR=str(slow_tools))
    await eventually(coordinator.leads)
    await yoyaku(data, "now", "--no-wait")
    await eventually(working_on(directory))
    busy = await yoyaku(data, "now")
    assert busy.returncode == 1
    assert "busy" in busy.stderr
    coordinator.send(signal.SIGTERM)
    assert await asyncio.to_thread(coordinator.process.wait, 20) == 0
    assert await states(pool, "failed")()
    assert list(directory.iterdir()) == []
    assert not tools_of(directory)


@pytest.mark.requirement("BC-06")
async def test_of_two_coordinators_one_leads_and_one_that_wakes_up_late_completes_nothing(
    start_coordinator: Start,
    slow_tools: Path,
    directory: Path,
    pool: Pool,
    js: JetStreamContext,
    eventually: Eventually,
) -> None:
    first = start_coordinator(PG_BIN_DIR=str(slow_tools))
    await eventually(first.leads)
    second = start_coordinator()
    await eventually(second.stands_by)
    requests = PostgresCatalogue(pool, new_event_id)
    await requests.request(RunKind.FULL, "operator", None)
    await eventually(states(pool, "running"))
    await eventually(working_on(directory))
    first.send(signal.SIGSTOP)
    await eventually(second.leads)
    await eventually(states(pool, "failed"))
    completed = await requests.request(RunKind.FULL, "operator", None)
    await eventually(states(pool, "failed", "completed"))
    first.send(signal.SIGCONT)
    await eventually(first.stands_by)
    assert await states(pool, "failed", "completed")()

    async def only_the_good_one_is_left() -> bool:
        return [place.name for place in directory.iterdir()] == [completed]

    await eventually(only_the_good_one_is_left)
    await eventually(has_told(js, *["backup.run.started.v1"] * 2, "backup.run.failed.v1", "backup.run.completed.v1"))


@pytest.mark.requirement("BC-01")
async def test_a_moment_that_was_missed_is_caught_up_once(
    start_coordinator: Start, pool: Pool, directory: Path, eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    missed = now - timedelta(hours=1)
    await pool.execute("UPDATE backup_schedule SET kept_until = $1", now - timedelta(days=10))
    schedule = f"{missed.minute} {missed.hour} * * *"
    first = start_coordinator(SCHEDULE=schedule)
    await eventually(states(pool, "completed"))
    first.send(signal.SIGTERM)
    assert await asyncio.to_thread(first.process.wait, 20) == 0
    second = start_coordinator(SCHEDULE=schedule)
    await eventually(second.leads)
    taken_at = await pool.fetchval("SELECT scheduled_for FROM backup_run")
    assert taken_at == missed.replace(second=0, microsecond=0)
    await eventually(states(pool, "completed"))
    assert len(list(directory.iterdir())) == 1


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("PG_BIN_DIR", "/nowhere", "missing"),
        ("REPLICATION__USER", "nobody_at_all", "nobody_at_all"),
        ("DIRECTORY", "/dev/null/backups", "folder"),
    ],
)
@pytest.mark.requirement("BC-06", "BC-07")
async def test_a_run_that_cannot_be_taken_is_a_failed_run_with_its_reason(
    start_coordinator: Start,
    data: Path,
    pool: Pool,
    js: JetStreamContext,
    eventually: Eventually,
    setting: str,
    value: str,
    reason: str,
) -> None:
    coordinator = start_coordinator(**{setting: value})
    await eventually(coordinator.leads)
    taken = await yoyaku(data, "now")
    assert taken.returncode == 1
    assert reason in taken.stdout
    await eventually(has_told(js, "backup.run.started.v1", "backup.run.failed.v1"))
    assert reason in (await runs_of(pool))[0]["reason"]
    assert await coordinator.leads()


@pytest.mark.requirement("BC-06")
async def test_with_the_database_away_the_coordinator_waits_and_goes_on(
    start_coordinator: Start, data: Path, pool: Pool, postgres_server: PostgresServer, eventually: Eventually
) -> None:
    coordinator = start_coordinator()
    await eventually(coordinator.leads)
    postgres_server.kill()

    async def is_unready() -> bool:
        return await coordinator.role() is None

    await eventually(is_unready)
    postgres_server.restart()
    await eventually(coordinator.leads)
    assert coordinator.process.poll() is None

    async def taken() -> bool:
        return (await yoyaku(data, "now")).returncode == 0

    await eventually(taken)


async def test_nobody_there_is_one_line_and_exit_code_3(data: Path) -> None:
    asked = await yoyaku(data, "now")
    assert asked.returncode == 3
    assert len(asked.stderr.strip().splitlines()) == 1
