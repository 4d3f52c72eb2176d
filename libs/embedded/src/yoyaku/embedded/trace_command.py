"""`yoyaku trace`: draws one trace of the running system, or lists the newest."""

import asyncio
import io
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from yoyaku.embedded.connection import read_connection
from yoyaku.embedded.data_lock import holder_of
from yoyaku.embedded.telemetry_client import (
    POLL_SECONDS,
    TelemetryClient,
    TelemetryUnavailableError,
    Trace,
    TraceSummary,
)
from yoyaku.embedded.trace_view import MIN_PLAIN_WIDTH, TraceView, traces_table

DEFAULT_DATA = Path(".yoyaku")
_ID_LENGTH = 32
_PERHAPS = "it may be on its way (--wait 5), or be too old"

Answer = TypeVar("Answer")


class UsageError(Exception):
    """The command cannot do what was asked; the text says why and what to do."""


def trace(
    trace_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A trace id, or its first digits.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="The data folder of the running system.")] = DEFAULT_DATA,
    store: Annotated[str | None, typer.Option(help="The address of a telemetry store, instead of --data.")] = None,
    service: Annotated[str | None, typer.Option(help="List only traces with a span of this service.")] = None,
    name: Annotated[str | None, typer.Option(help="List only traces with this text in a span's name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many traces to list.")] = 20,
    wait: Annotated[float, typer.Option(min=0, max=120, help="Seconds to wait for spans that are on their way.")] = 0,
    logs: Annotated[bool, typer.Option(help="Show log lines at their spans.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Draw one trace as a tree, from the first request to the last consumer; without ID list the newest traces."""
    console = wide_console()
    try:
        url = store or store_address(data)
        if trace_id is None:
            _show_list(console, _run(_newest(url, service, name, limit), url), as_json=as_json)
        else:
            _show_trace(console, _run(_one(url, trace_id.lower(), wait), url), as_json=as_json, with_logs=logs)
    except UsageError as error:
        Console(stderr=True).print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(1) from None


def wide_console() -> Console:
    """Return a console on standard output: wide enough when piped, and never failing on a character it lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    plain = not sys.stdout.isatty()
    console = Console()
    return Console(width=max(console.width, MIN_PLAIN_WIDTH)) if plain else console


def _run(coroutine: Awaitable[Answer], url: str) -> Answer:
    async def awaited() -> Answer:
        return await coroutine

    try:
        return asyncio.run(awaited())
    except TelemetryUnavailableError:
        raise UsageError(f"no telemetry store answers at {url}; is the system running (`yoyaku up`)?") from None


async def _newest(url: str, service: str | None, name: str | None, limit: int) -> list[TraceSummary]:
    async with TelemetryClient(url) as client:
        return await client.newest(service=service, name=name, limit=limit)


async def _one(url: str, trace_id: str, wait_seconds: float) -> Trace:
    if not trace_id or len(trace_id) > _ID_LENGTH or set(trace_id) - set("0123456789abcdef"):
        raise UsageError("a trace id has 32 hexadecimal digits (its first few are enough)")
    deadline = time.monotonic() + wait_seconds
    async with TelemetryClient(url) as client:
        whole = await _whole_id(client, trace_id, deadline)
        found = await client.settled_trace(whole, wait_seconds=max(0.0, deadline - time.monotonic()))
    if found is None:
        raise UsageError(f"no span of trace {trace_id} is held; {_PERHAPS}")
    return found


async def _whole_id(client: TelemetryClient, start: str, deadline: float) -> str:
    if len(start) == _ID_LENGTH:
        return start
    while True:
        known = [summary.trace_id for summary in await client.newest(limit=1000) if summary.trace_id.startswith(start)]
        if len(known) == 1:
            return known[0]
        if len(known) > 1:
            raise UsageError(f"{len(known)} traces begin with {start}: give more digits")
        if time.monotonic() >= deadline:
            raise UsageError(f"no traces begin with {start}; {_PERHAPS}")
        await asyncio.sleep(POLL_SECONDS)


def _show_list(console: Console, summaries: list[TraceSummary], *, as_json: bool) -> None:
    if as_json:
        console.print_json(data=[summary.model_dump() for summary in summaries])
    elif not summaries:
        console.print("No traces yet.")
    else:
        console.print(traces_table(summaries, console))


def _show_trace(console: Console, found: Trace, *, as_json: bool, with_logs: bool) -> None:
    if as_json:
        console.print_json(data=found.model_dump())
    else:
        console.print(TraceView(found, with_logs=with_logs))


def store_address(data: Path) -> str:
    """Return the address of the telemetry store of the system that runs on this folder. Raises UsageError."""
    connection = read_connection(data)
    if connection is None or holder_of(data) is None:
        raise UsageError(f"no system runs on {data}; start one with `yoyaku up`, or name its folder with --data")
    if connection.telemetry_url is None:
        raise UsageError(f"telemetry goes to the collector at {connection.otlp_endpoint}: look there")
    return connection.telemetry_url
