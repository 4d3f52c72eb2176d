"""`yoyaku audit watch`: an independent eye on the log, which believes nothing but keys, signatures and proofs.

Exit codes: 1 the log is violated, or was interrupted at the terminal, 2 wrong usage, 3 nobody answered (with --once),
4 only keys that are not known signed what is shown.
"""

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from yoyaku.audit_log.domain.watching import Believed, LogViolatedError, MalformedStateError, UnknownKeysError
from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    DataOption,
    JsonOption,
    audit_log_of,
    fail,
)
from yoyaku.audit_log.entrypoints.watching import Sight, look
from yoyaku.messaging.administration import BusUnreachableError
from yoyaku.messaging.broker import BusError
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError
from yoyaku.tlog.errors import MalformedKeyError

VERIFY_EVERY_SECONDS: Final = 3600.0
EXIT_UNKNOWN_KEYS: Final = 4
STATE: Final = "audit-watch.json"
SHOWN_LOOKS: Final = 15
LARGEST_STATE_BYTES: Final = 1_000_000
_AWAY: Final = (BusUnreachableError, BusError, RpcUnavailableError, RpcFailedError, TimeoutError, OSError)


def watch_command(
    *,
    every: Annotated[float, typer.Option("--every", min=0.1, max=86_400, help="Seconds between two looks.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Have the log verify itself, too: now and each hour.")
    ] = False,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="VKEY", help="A key of the log, at the start or a further one.")
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", metavar="VKEY", help="A key of the witness, at the start or a further one."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help=f"What is believed; else {STATE} in the data folder.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Watch that the log only grows. Without --key the keys that it tells at the first look are believed."""
    file = data / STATE if state is None else state
    believed = _read(file)
    watcher = _Watcher(data, file, believed, key or [], witness or [], verify=verify)
    try:
        with _shown(as_json=as_json, once=once) as show:
            asyncio.run(watcher.run(show, every_seconds=every, once=once))
    except LogViolatedError as violated:
        _violated(violated, file, as_json=as_json)
    except UnknownKeysError as unknown:
        if as_json:
            typer.echo(json.dumps({"at": _now(), "outcome": "unknown_keys", "detail": str(unknown)}))
        fail(str(unknown), EXIT_UNKNOWN_KEYS)
    except MalformedKeyError as error:
        fail(str(error), EXIT_USAGE)
    except _AWAY as error:
        fail(str(error) or "the bus does not answer: does the system run? See `yoyaku status`", EXIT_UNREACHABLE)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_REFUSED) from None


class _Watcher:
    def __init__(
        self, data: Path, file: Path, believed: Believed | None, keys: list[str], witness: list[str], *, verify: bool
    ) -> None:
        self._data, self._file, self._believed = data, file, believed
        self._keys, self._witness, self._verify = keys, witness, verify
        self._verify_at = 0.0

    async def run(self, show: "_Show", *, every_seconds: float, once: bool) -> None:
        """Look again and again. Raises LogViolatedError, UnknownKeysError; with `once` why nobody could be asked."""
        while True:
            try:
                show.sight(await self._look())
            except _AWAY as error:
                if once:
                    raise
                show.away(str(error) or type(error).__name__)
            if once:
                return
            await asyncio.sleep(every_seconds)

    async def _look(self) -> Sight:
        now = asyncio.get_running_loop().time()
        is_due = self._verify and now >= self._verify_at
        async with audit_log_of(self._data) as log:
            sight = await look(log, self._believed, self._keys, self._witness, verify=is_due)
        if is_due:
            self._verify_at = now + VERIFY_EVERY_SECONDS
        if sight.believed != self._believed:
            _write(self._file, sight.believed)
            self._believed = sight.believed
        return sight


class _Show(ExitStack):
    """Shows looks: a table on a terminal, else lines."""

    def __init__(self, *, as_json: bool, live: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._rows: list[tuple[str, ...]] = []
        self._origin = ""
        self._live = self.enter_context(Live(console=Console(), auto_refresh=False)) if live else None

    def sight(self, sight: Sight) -> None:
        """Show a look."""
        if self._as_json:
            typer.echo(json.dumps({"at": _now(), **sight.told()}))
            return
        verified = "" if sight.verified_entries is None else f"{sight.verified_entries} verified"
        cosigned = "witness away" if sight.cosigned_size is None else f"{sight.cosigned_size} cosigned"
        self._row(
            _now(), sight.believed.origin, str(sight.size), f"+{sight.grown_by}", cosigned, verified, "consistent"
        )

    def away(self, cause: str) -> None:
        """Show that nobody could be asked."""
        if self._as_json:
            typer.echo(json.dumps({"at": _now(), "outcome": "unreachable", "cause": cause}))
            return
        self._row(_now(), "", "", "", "", "", f"unreachable: {cause}")

    def _row(self, *cells: str) -> None:
        if self._live is None:
            typer.echo("  ".join(cell for cell in cells if cell))
            return
        self._origin = cells[1] or self._origin
        self._rows = [*self._rows, cells][-SHOWN_LOOKS:]
        table = Table("at", "entries", "new", "witness", "verification", "outcome", title=self._origin)
        for at, _, *rest in self._rows:
            table.add_row(at.partition("T")[2], *map(escape, rest))
        self._live.update(table, refresh=True)


def _shown(*, as_json: bool, once: bool) -> _Show:
    return _Show(as_json=as_json, live=sys.stdout.isatty() and not as_json and not once)


def _violated(violated: LogViolatedError, file: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"at": _now(), "outcome": "violated", "kind": violated.kind, "detail": str(violated)}))
    fail(f"the audit log is violated: {violated}. Keep {file}, it is evidence; see the runbook audit-integrity", 1)


def _read(file: Path) -> Believed | None:
    try:
        with file.open("rb") as opened:
            return Believed.from_json(opened.read(LARGEST_STATE_BYTES).decode())
    except FileNotFoundError:
        return None
    except OSError as error:
        fail(f"{file}: {error.strerror}", EXIT_USAGE)
    except (MalformedStateError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}", EXIT_USAGE)


def _write(file: Path, believed: Believed) -> None:
    """Put what is believed in place of what was, all or nothing, with mode 0600."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(believed.to_json())
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError as error:
        fail(f"{file}: {error.strerror}", EXIT_USAGE)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
