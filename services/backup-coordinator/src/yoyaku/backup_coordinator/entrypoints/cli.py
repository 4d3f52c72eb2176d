"""`yoyaku backup`: take, list and verify backups of a running system, or run the service.

Exit codes: 0 done, 1 the backup failed or is damaged, 2 wrong usage, 3 the bus or the coordinator cannot be reached.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from yoyaku.backup_coordinator.verify import damages
from yoyaku.contracts.rpc import (
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
    BackupListReply,
    BackupListRequest,
    BackupRun,
    BackupRunReply,
    BackupRunRequest,
    BackupRunState,
)
from yoyaku.messaging.administration import BusUnreachableError, settings_for
from yoyaku.messaging.broker import BusError, ServiceBroker, make_broker, start_broker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request
from yoyaku.messaging.topology import OPERATOR
from yoyaku.observability.tracing import unrecorded

EXIT_FAILED: Final = 1
EXIT_UNREACHABLE: Final = 3
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.3
PIPED_WIDTH: Final = 400
BACKUPS_FOLDER: Final = "backups"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Backups of the whole cluster: take, list, verify.")
err = Console(stderr=True, soft_wrap=True)
T = TypeVar("T")

DataOption = Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"[red]error:[/red] {message}", highlight=False)
    raise typer.Exit(code)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end, turning what can go wrong into one line and an exit code."""
    try:
        return asyncio.run(work)
    except RpcFailedError as error:
        _fail(str(error), EXIT_FAILED)
    except (BusUnreachableError, BusError, RpcUnavailableError, TimeoutError, OSError) as error:
        _fail(str(error) or "the bus does not answer: does the system run? See `yoyaku status`", EXIT_UNREACHABLE)


@app.command("now")
def now_command(
    *,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.")] = True,
    as_json: JsonOption = False,
    data: DataOption = Path(".yoyaku"),
) -> None:
    """Take a backup now; exit 1 when it fails or another one is under way."""

    async def work(broker: ServiceBroker) -> BackupRun:
        question = BackupRunRequest(requested_by=OPERATOR)
        reply = await request(
            broker, RPC_BACKUP_COORDINATOR_RUN_V1, question, BackupRunReply, timeout_seconds=ANSWER_SECONDS
        )
        run = reply.run
        while wait and run.state is BackupRunState.RUNNING:
            await asyncio.sleep(POLL_SECONDS)
            with unrecorded():
                newest = await _list(broker, 50)
            run = next((one for one in newest if one.run_id == run.run_id), run)
        return run

    run = _run(_asking(data, work))
    _print_runs([run], as_json=as_json, single=True)
    if run.state is BackupRunState.FAILED:
        raise typer.Exit(EXIT_FAILED)


@app.command("list")
def list_command(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many runs.")] = 20,
    as_json: JsonOption = False,
    data: DataOption = Path(".yoyaku"),
) -> None:
    """List backup runs, the newest first."""
    runs = _run(_asking(data, lambda broker: _list(broker, limit)))
    _print_runs(runs, as_json=as_json)


@app.command("verify")
def verify_command(
    run_id: Annotated[str, typer.Argument(help="Which backup, as `yoyaku backup list` names it.")],
    *,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where the backups lie; else `backups` in the data folder.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Believe the record beside the backup alone.")] = False,
    as_json: JsonOption = False,
    data: DataOption = Path(".yoyaku"),
) -> None:
    """Read a backup back, every byte, and name the first bad file; exit 1 when there is one."""
    if run_id in {"", ".", ".."} or "/" in run_id:
        raise typer.BadParameter("a backup's id is a single name")
    expected = None if offline else _expected_manifest(run_id, data)
    bad = next(damages((directory or data / BACKUPS_FOLDER) / run_id, expected), None)
    if as_json:
        first = None if bad is None else {"path": bad.path, "problem": bad.kind.value, "detail": bad.detail}
        typer.echo(json.dumps({"run_id": run_id, "intact": bad is None, "first_bad_file": first}))
    elif bad is None:
        typer.echo(f"intact: every file of {run_id} was read back")
    else:
        err.print(f"[red]damaged:[/red] {bad}", highlight=False)
    if bad is not None:
        raise typer.Exit(EXIT_FAILED)


@app.command("serve")
def serve_command() -> None:
    """Run the coordinator in this process; settings come from the environment (BACKUP_COORDINATOR_...)."""
    os.execv(sys.executable, [sys.executable, "-m", "yoyaku.backup_coordinator"])  # noqa: S606


def _expected_manifest(run_id: str, data: Path) -> str | None:
    """Ask the catalogue what the manifest was; a run it does not know, or that failed, is no backup."""
    runs = _run(_asking(data, lambda broker: _list(broker, 500)))
    run = next((one for one in runs if one.run_id == run_id), None)
    if run is None or run.state is not BackupRunState.COMPLETED:
        state = "not in the catalogue" if run is None else run.state.value
        _fail(f"{run_id} is {state}: there is no backup to verify (--offline reads a folder all the same)", EXIT_FAILED)
    return run.manifest_sha256


async def _asking(data: Path, work: Callable[[ServiceBroker], Awaitable[T]]) -> T:
    broker = make_broker(settings_for(OPERATOR, data), service=OPERATOR)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await start_broker(broker)
        return await work(broker)
    finally:
        await broker.stop()


async def _list(broker: ServiceBroker, limit: int) -> list[BackupRun]:
    question = BackupListRequest(limit=limit)
    reply = await request(
        broker, RPC_BACKUP_COORDINATOR_LIST_V1, question, BackupListReply, timeout_seconds=ANSWER_SECONDS
    )
    return list(reply.runs)


def _print_runs(runs: list[BackupRun], *, as_json: bool, single: bool = False) -> None:
    if as_json:
        told = [run.model_dump(mode="json") for run in runs]
        typer.echo(json.dumps({"run": told[0]} if single else {"runs": told}, indent=2))
        return
    table = Table(box=None, header_style="bold")
    table.add_column("Run", no_wrap=True)
    for name in ("Kind", "State", "Started (UTC)", "Took", "Size", "Files"):
        table.add_column(name, overflow="fold")
    some_failed = any(run.reason for run in runs)
    if some_failed:
        table.add_column("Reason", overflow="fold")
    for run in runs:
        table.add_row(
            run.run_id,
            run.kind.value,
            run.state.value,
            run.started_at.strftime("%Y-%m-%d %H:%M:%S"),
            "" if run.duration_seconds is None else f"{run.duration_seconds:.1f} s",
            "" if run.size_bytes is None else f"{run.size_bytes / 1e6:.1f} MB",
            "" if run.file_count is None else str(run.file_count),
            *([run.reason or ""] if some_failed else []),
        )
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)
