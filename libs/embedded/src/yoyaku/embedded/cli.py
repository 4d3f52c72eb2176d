"""`yoyaku up`: runs the whole system until Ctrl-C, and says what to do next."""

import asyncio
import contextlib
import json
import shlex
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from yoyaku.cli.invocation import as_typed
from yoyaku.embedded.connection import as_json
from yoyaku.embedded.data_lock import DataInUseError
from yoyaku.embedded.log_lines import LogPump
from yoyaku.embedded.nats_server import NatsStartError
from yoyaku.embedded.ports import PortError
from yoyaku.embedded.postgres_server import PostgresStartError
from yoyaku.embedded.server_lines import ServerFiles
from yoyaku.embedded.supervisor import NotReadyError, SupervisionError
from yoyaku.embedded.system import System, SystemOptions, start_system
from yoyaku.embedded.unprivileged import PlacementError

DEFAULT_DATA = Path(".yoyaku")
DEFAULT_PORT = 8080
KILLED_EXIT_CODE = 130
EXPECTED_ERRORS = (DataInUseError, PortError, SupervisionError, PostgresStartError, NatsStartError, PlacementError)


def up(
    *,
    data: Annotated[Path, typer.Option(help="Where the data lives; it survives restarts.")] = DEFAULT_DATA,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The gateway's port; 0 takes a free one.")] = DEFAULT_PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Gateway processes that serve HTTP.")] = 1,
    as_json_line: Annotated[
        bool, typer.Option("--json", help="Print one JSON line on standard output when ready.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show the processes' log lines.")] = False,
) -> None:
    """Run the whole system until Ctrl-C: PostgreSQL, NATS and the four services. A second Ctrl-C ends it at once."""
    options = SystemOptions(data, gateway_port=port, workers=workers)
    try:
        asyncio.run(_up(options, as_json_line=as_json_line, quiet=quiet))
    except EXPECTED_ERRORS as error:
        Console(stderr=True).print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(1) from None


async def _up(options: SystemOptions, *, as_json_line: bool, quiet: bool) -> None:
    files = ServerFiles(options.data_dir / "logs")
    pump = LogPump(Console(stderr=True), quiet=quiet, server_files=files)
    announced = False
    stop = StopSignals()
    stop.listen()
    entered = start_system(options.data_dir, options=options, outputs=pump, notice=pump.notice, on_created=stop.watch)
    try:
        async with contextlib.AsyncExitStack() as stack:
            system = await stop.unless_told(stack.enter_async_context(entered))
            if system is None:
                return
            _announce(system, as_json_line=as_json_line)
            announced = True
            if system.admin is not None:
                system.admin_was_told()
            await stop.told.wait()
            pump.notice("yoyaku", "stops: draining, Ctrl-C again ends it at once", {})
    except NotReadyError as error:
        for line in pump.last_lines(error.name) if pump.hides_lines_of(error.name) else ():
            Console(stderr=True).print(Text(line), style="dim", soft_wrap=True)
        raise
    finally:
        await pump.drain()
        if not announced:
            _tell_unannounced_admin(stop.system)


class StopSignals:
    """Turns the first SIGTERM, Ctrl-C or closed terminal into a wish to stop, the second into the end."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.system: System | None = None

    def listen(self) -> None:
        """Take over these signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)

    def watch(self, system: System) -> None:
        """Remember which system a second signal kills."""
        self.system = system

    async def unless_told(self, starting: Awaitable[System]) -> System | None:
        """Return the started system, None when told to stop before it was ready."""
        start = asyncio.ensure_future(starting)
        told = asyncio.ensure_future(self.told.wait())
        try:
            await asyncio.wait({start, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if start.done():
            return await start
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await start
        return None

    def _on_signal(self) -> None:
        if not self.told.is_set():
            self.told.set()
            return
        if self.system is not None:
            self.system.supervisor.kill_all()
        raise SystemExit(KILLED_EXIT_CODE)


def _tell_unannounced_admin(system: System | None) -> None:
    """Show the first administrator's password although the start failed: it was generated, and is shown once."""
    if system is None or system.admin is None:
        return
    told = f"First administrator: {system.admin.user_id}, password: {system.admin.password.get_secret_value()}"
    Console(stderr=True).print(Text(told), soft_wrap=True)
    system.admin_was_told()


def _announce(system: System, *, as_json_line: bool) -> None:
    if as_json_line:
        admin = None
        if system.admin is not None:
            admin = {"user_id": system.admin.user_id, "password": system.admin.password.get_secret_value()}
        line = {"gateway_url": system.gateway_url, "admin": admin, **as_json(system.connection())}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        return
    facts = Table.grid(padding=(0, 2))
    facts.add_row("Gateway", Text(system.gateway_url, style="bold cyan"))
    facts.add_row("API by hand", f"{system.gateway_url}/docs")
    if system.admin is not None:
        facts.add_row("First administrator", Text(system.admin.user_id, style="bold"))
        facts.add_row("Password", Text(f"{system.admin.password.get_secret_value()}  (shown only now)", style="bold"))
    facts.add_row("Data", str(system.data_dir))
    if system.postgres.placement.moved:
        facts.add_row("PostgreSQL's data", f"{system.postgres.data} (its user cannot enter the folder above)")
    yoyaku = as_typed()
    for label, words, meaning in (
        ("Next", "status", "health and lag"),
        ("", "trace", "what happened"),
        ("", "--help", "everything else"),
    ):
        facts.add_row(label, Text.assemble((f"{yoyaku} {words}", "bold"), (f"  {meaning}", "dim")))
    if system.data_dir != DEFAULT_DATA.resolve():
        facts.add_row("", f"with --data {shlex.quote(str(system.data_dir))}")
    facts.add_row("Stop", "Ctrl-C")
    console = Console()
    console.print()
    console.print(Panel(facts, title="[bold]Yoyaku 予約 is ready[/bold]", border_style="green", expand=False))
