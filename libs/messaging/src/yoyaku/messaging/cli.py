"""`yoyaku bus`: provision the bus, check it for drift, and look after dead letters.

Exit codes: 0 done, 1 drift or something that did not go back, 2 wrong usage, 3 the bus cannot be reached.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from yoyaku.messaging.administration import BusUnreachableError, administering, settings_for
from yoyaku.messaging.dead_letters import (
    DeadLetter,
    Filter,
    InvalidFilterError,
    RedriveError,
    find_dead_letter,
    list_dead_letters,
    redrive_these,
)
from yoyaku.messaging.permissions import MissingPublicKeyError, render_accounts
from yoyaku.messaging.provision import Drift, ProvisionError, find_drift, provision
from yoyaku.messaging.settings import SeedFileReadableError
from yoyaku.messaging.stored import StreamUnreadableError
from yoyaku.messaging.topology import BUS_USERS, OPERATOR, PROVISIONER

EXIT_DIFFERS: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The message bus: provision it, check it, look after dead letters."
)
dead_letters = typer.Typer(no_args_is_help=True, help="Events that could not be handled: list, show, put back.")
app.add_typer(dead_letters, name="dead-letters")

out = Console()
err = Console(stderr=True)

DataOption = Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ReplicasOption = Annotated[int, typer.Option("--replicas", min=1, max=5, help="Copies of each stream on a cluster.")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="KEY=VALUE", help="stream=, consumer=, type=, reason= (a part), id=. Repeatable."),
]
KeysOption = Annotated[
    Path | None,
    typer.Option("--public-keys", metavar="FILE", help="JSON: the public nkey of each identity of the bus."),
]

T = TypeVar("T")


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"[red]error:[/red] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end, turning what can go wrong into one line and an exit code."""
    try:
        return asyncio.run(work)
    except (BusUnreachableError, StreamUnreadableError) as error:
        _fail(str(error), EXIT_UNREACHABLE)
    except (SeedFileReadableError, ValidationError, OSError) as error:
        _fail(str(error), EXIT_USAGE)
    except ProvisionError as error:
        _fail(str(error), EXIT_DIFFERS)


def _filter(texts: list[str] | None) -> Filter:
    try:
        return Filter.parse(texts or [])
    except InvalidFilterError as error:
        _fail(str(error), EXIT_USAGE)


@app.command("provision")
def provision_command(
    data: DataOption = Path(".yoyaku"),
    replicas: ReplicasOption = 1,
    accounts_file: Annotated[
        Path | None, typer.Option("--accounts-file", help="Also write the server's accounts block here.")
    ] = None,
    public_keys: KeysOption = None,
) -> None:
    """Create or update every stream, consumer and bucket; nothing is removed, and running it again changes nothing."""
    if accounts_file is not None:
        if public_keys is None:
            _fail("--accounts-file needs --public-keys", EXIT_USAGE)
        accounts_file.write_text(_accounts(public_keys))

    async def work() -> None:
        async with administering(settings_for(PROVISIONER, data), PROVISIONER) as js:
            await provision(js, replicas=replicas)

    _run(work())
    err.print("[green]the bus is as declared[/green]")


@app.command("accounts")
def accounts_command(public_keys: KeysOption = None) -> None:
    """Print the server's accounts block: one nkey an identity, with the subjects it needs and no other."""
    if public_keys is None:
        _fail(f"--public-keys is needed: JSON with a key for each of {', '.join(BUS_USERS)}", EXIT_USAGE)
    typer.echo(_accounts(public_keys), nl=False)


def _accounts(public_keys: Path) -> str:
    try:
        return render_accounts(json.loads(public_keys.read_text()))
    except (OSError, ValueError, TypeError, MissingPublicKeyError) as error:
        _fail(f"{public_keys}: {error}", EXIT_USAGE)


@app.command("check")
def check_command(
    data: DataOption = Path(".yoyaku"), replicas: ReplicasOption = 1, as_json: JsonOption = False
) -> None:
    """Name every difference between the declared bus and the server; exit 1 when there is one."""

    async def work() -> list[Drift]:
        async with administering(settings_for(OPERATOR, data), OPERATOR) as js:
            return await find_drift(js, replicas=replicas)

    drifts = _run(work())
    if as_json:
        typer.echo(json.dumps([_drift_json(drift) for drift in drifts], indent=2))
    elif drifts:
        out.print(_drift_table(drifts))
    else:
        err.print("[green]the bus is as declared[/green]")
    raise typer.Exit(EXIT_DIFFERS if drifts else 0)


def _drift_json(drift: Drift) -> dict[str, str]:
    return {
        "kind": drift.kind,
        "name": drift.name,
        "field": drift.field,
        "expected": drift.expected,
        "found": drift.found,
    }


def _drift_table(drifts: list[Drift]) -> Table:
    table = Table("what", "name", "differs in", "expected", "found", title=f"{len(drifts)} differences")
    for drift in drifts:
        table.add_row(*_drift_json(drift).values())
    return table


@dead_letters.command("list")
def list_command(data: DataOption = Path(".yoyaku"), filters: FilterOption = None, as_json: JsonOption = False) -> None:
    """List dead letters, oldest first."""
    found = _run(_matching(data, _filter(filters)))
    if as_json:
        typer.echo(json.dumps([letter.to_json() for letter in found], indent=2))
    elif found:
        out.print(_letters_table(found))
    else:
        err.print("no dead letters")


async def _matching(data: Path, wanted: Filter) -> list[DeadLetter]:
    async with administering(settings_for(OPERATOR, data), OPERATOR) as js:
        return [letter async for letter in list_dead_letters(js, wanted)]


def _letters_table(letters: list[DeadLetter]) -> Table:
    table = Table("no.", "died at (UTC)", "event", "why", show_lines=True)
    for letter in letters:
        table.add_row(
            str(letter.sequence),
            f"{letter.died_at:%Y-%m-%d\n%H:%M:%S}",
            f"{letter.type or 'unknown'}\n{letter.event_id or ''}\nfor {letter.consumer}",
            f"{letter.reason}\n{letter.error_type or ''}\n{letter.deliveries} deliveries",
        )
    return table


@dead_letters.command("show")
def show_command(
    identifier: Annotated[
        str, typer.Argument(metavar="NO|EVENT-ID", help="Its number in the list, or the event's id.")
    ],
    data: DataOption = Path(".yoyaku"),
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter whole: why it died, its headers and its body."""

    async def work() -> DeadLetter | None:
        async with administering(settings_for(OPERATOR, data), OPERATOR) as js:
            return await find_dead_letter(js, identifier)

    letter = _run(work())
    if letter is None:
        _fail(f"no dead letter {identifier}", EXIT_DIFFERS)
    whole = letter.to_json() | {"headers": dict(letter.headers), "body": _body(letter)}
    if as_json:
        typer.echo(json.dumps(whole, indent=2))
        return
    table = Table(show_header=False, title=f"dead letter {letter.sequence}")
    for key, value in whole.items():
        shown = json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict) else str(value)
        table.add_row(key.replace("_", " "), shown)
    out.print(table)


def _body(letter: DeadLetter) -> Any:
    if letter.data is None:
        return None
    try:
        return json.loads(letter.data)
    except ValueError:
        return letter.data.decode(errors="backslashreplace")


@dead_letters.command("redrive")
def redrive_command(
    data: DataOption = Path(".yoyaku"),
    filters: FilterOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Put back every dead letter.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back under their original subjects, then delete them; exit 1 when one could not be."""
    if not filters and not everything:
        _fail("say which: --filter KEY=VALUE, or --all", EXIT_USAGE)
    found = _run(_matching(data, _filter(filters)))
    if dry_run:
        if as_json:
            typer.echo(json.dumps({"would_redrive": [letter.to_json() for letter in found]}, indent=2))
        else:
            out.print(_letters_table(found)) if found else err.print("no dead letters match")
            err.print(f"{len(found)} would be put back")
        return
    problems = _redrive(data, found)
    done = len(found) - len(problems)
    if as_json:
        failed = [{"sequence": letter.sequence, "problem": str(error)} for letter, error in problems]
        typer.echo(json.dumps({"redriven": done, "failed": failed}, indent=2))
    else:
        for _, error in problems:
            err.print(f"[red]not put back:[/red] {error}", highlight=False, soft_wrap=True)
        err.print(f"{done} put back, {len(problems)} not")
    raise typer.Exit(EXIT_DIFFERS if problems else 0)


def _redrive(data: Path, letters: list[DeadLetter]) -> list[tuple[DeadLetter, RedriveError]]:
    problems: list[tuple[DeadLetter, RedriveError]] = []

    async def work(advance: Callable[[], None]) -> None:
        async with administering(settings_for(OPERATOR, data), OPERATOR) as js:
            async for letter, problem in redrive_these(js, letters):
                if problem is not None:
                    problems.append((letter, problem))
                advance()

    columns = (TextColumn("putting back"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("putting back", total=len(letters))
        _run(work(lambda: progress.advance(task)))
    return problems
