"""`yoyaku booking import`: files in, a report out; the faults of all lines at once, or everything stored."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from yoyaku.booking.entrypoints.import_texts import json_of, text_of
from yoyaku.booking.entrypoints.running_system import database_settings
from yoyaku.booking.settings import DatabaseSettings
from yoyaku.booking.usecases.import_records import ImportRecords, ImportRefusedError, ImportReport
from yoyaku.booking.usecases.import_records import Progress as Told
from yoyaku.booking.usecases.ports.imports import Parsed
from yoyaku.booking.wiring.imports import Sources, importer
from yoyaku.postgres.errors import PostgresError

FAULTS_SHOWN: Final = 100
REFUSED: Final = 1
FAILED: Final = 2


def run(sources: Sources, *, data: Path, dry_run: bool, as_json: bool) -> int:
    """Import and print what happened; return the exit status. Raises OSError for a file that cannot be read."""
    settings = database_settings(data)
    started = time.perf_counter()
    parsed = sources.read()
    try:
        with _progress(parsed) as told:
            report = asyncio.run(_import(settings, parsed, dry_run=dry_run, told=told))
    except ImportRefusedError as error:
        _print_faults(error, as_json=as_json)
        return REFUSED
    except (PostgresError, asyncpg.PostgresError) as error:
        typer.echo(f"error: {error}; run it again: what was imported is recognised", err=True)
        return FAILED
    _print_report(report, time.perf_counter() - started, dry_run=dry_run, as_json=as_json)
    return 0


async def _import(settings: DatabaseSettings, parsed: Parsed, *, dry_run: bool, told: Told) -> ImportReport:
    async with importer(settings) as import_records:
        records: ImportRecords = import_records
        return await records(parsed, dry_run=dry_run, progress=told)


@contextmanager
def _progress(parsed: Parsed) -> Iterator[Told]:
    """Draw a bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rows", total=len(parsed.rooms) + len(parsed.people) + len(parsed.bookings))
        yield lambda rows: bar.advance(task, rows)


def _print_faults(error: ImportRefusedError, *, as_json: bool) -> None:
    shown, total = error.faults[:FAULTS_SHOWN], len(error.faults)
    if as_json:
        typer.echo(
            json.dumps({"faults": [json_of(fault) for fault in shown], "faults_total": total}, ensure_ascii=False)
        )
        return
    for fault in shown:
        typer.echo(f"{fault.line}: {fault.field}: {text_of(fault)}", err=True)
    cut = f" (the first {FAULTS_SHOWN} are shown)" if total > FAULTS_SHOWN else ""
    count = "1 fault" if total == 1 else f"{total} faults"
    typer.echo(f"error: {count}{cut}; nothing was imported", err=True)


def _print_report(report: ImportReport, seconds: float, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        body: dict[str, Any] = {"dry_run": dry_run, **asdict(report), "seconds": round(seconds, 3)}
        typer.echo(json.dumps(body))
        return
    typer.echo("would be imported (nothing was stored):" if dry_run else "imported:")
    for name in ("rooms", "people", "reservations"):
        created, known = getattr(report, f"{name}_created"), getattr(report, f"{name}_known")
        typer.echo(f"  {name:13} {created:6} new, {known} there before")
    if report.cancelled_left_out:
        typer.echo(f"  cancelled     {report.cancelled_left_out:6} left out")
    typer.echo(f"in {seconds:.1f} s")
