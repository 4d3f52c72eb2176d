"""`yoyaku booking ...` and `python -m yoyaku.booking ...`: the processes of the service, and what is done once.

Invariant: light to import; what a command needs is loaded when it runs.
"""

import importlib
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from yoyaku.booking.entrypoints import cli_keys

ADMIN_EXISTS: Final = 3
_SERVER: Final = "yoyaku.booking.entrypoints.http.server"
_WORKER: Final = "yoyaku.booking.entrypoints.worker"
_COMMANDS: Final = "yoyaku.booking.entrypoints.commands"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rooms, reservations, people and sign-in: the gateway, its worker, and what is done once.",
)
app.add_typer(cli_keys.app, name="keys")


def _commands() -> Any:
    return importlib.import_module(_COMMANDS)


@app.command()
def gateway() -> None:
    """Serve the REST API until SIGTERM; settings come from BOOKING_... in the environment."""
    importlib.import_module(_SERVER).main()


@app.command()
def worker() -> None:
    """Publish events, copy blocks and delete what expired until SIGTERM."""
    importlib.import_module(_WORKER).main()


@app.command()
def migrate() -> None:
    """Bring the database to the state this version needs, as its owner."""
    for name in _commands().migrate_database():
        typer.echo(f"applied {name}")


@app.command("create-admin")
def create_admin(
    user_id: Annotated[str, typer.Option(help="What the ADMIN types to sign in.")],
    password_file: Annotated[
        Path | None, typer.Option(help="Take the password from this file's first line instead of generating one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make the first ADMIN and print the password once; exit with 3 when there is one already."""
    commands = _commands()
    try:
        password = commands.create_admin(user_id, password_file)
    except OSError as error:
        typer.echo(f"error: {password_file}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    except commands.AdminExistsError:
        typer.echo("error: there is an ADMIN already", err=True)
        raise typer.Exit(ADMIN_EXISTS) from None
    if as_json:
        typer.echo(json.dumps({"user_id": user_id, "password": password}))
    else:
        typer.echo(f"user id:  {user_id}\npassword: {password}\nIt is not shown again.")


@app.command("reset-password")
def reset_password(
    user_id: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    data: Annotated[Path, typer.Option(help="The data folder of a running `yoyaku up`.")] = Path(".yoyaku"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Give somebody who is locked out a new password and print it once; their sessions are over."""
    commands = _commands()
    try:
        password = commands.reset_password(user_id, data)
    except commands.PersonNotFoundError:
        typer.echo("error: nobody has this user id", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps({"user_id": user_id, "password": password}))
    else:
        typer.echo(f"user id:  {user_id}\npassword: {password}\nIt is not shown again.")


@app.command("import")
def import_files(  # noqa: PLR0917  one parameter an option
    rooms: Annotated[
        Path | None,
        typer.Option(
            help="CSV: name, site, capacity, time_zone, features (a;b), buffer_before_minutes, buffer_after_minutes."
        ),
    ] = None,
    people: Annotated[Path | None, typer.Option(help="CSV: user_id, display_name, role; no passwords.")] = None,
    reservations: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV: room, site, user_id, starts_at, ends_at, title, external_id; or iCalendar (.ics). Repeatable."
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(help="The site where a file names none.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The clock of times and rooms that name none.")] = None,
    room: Annotated[str | None, typer.Option(help="The room of events without LOCATION.")] = None,
    owner: Annotated[str | None, typer.Option(help="The user id for events whose organizer is not known.")] = None,
    data: Annotated[Path, typer.Option(help="The data folder of a running `yoyaku up`.")] = Path(".yoyaku"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge everything, store nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take over rooms, people and bookings from files: all of them, or nothing and exit with 1."""
    if rooms is None and people is None and not reservations:
        typer.echo("error: name a file with --rooms, --people or --reservations", err=True)
        raise typer.Exit(2)
    wiring = importlib.import_module("yoyaku.booking.wiring.imports")
    command = importlib.import_module("yoyaku.booking.entrypoints.import_command")
    try:
        sources = wiring.Sources(rooms, people, reservations or [], site, time_zone, room, owner)
        status = command.run(sources, data=data, dry_run=dry_run, as_json=as_json)
    except OSError as error:
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    except wiring.UnknownZoneError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)


@app.command()
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write the document to this file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Exit with 1 when this file differs.")] = None,
) -> None:
    """Print the OpenAPI document, write it, or check a written one."""
    commands = _commands()
    if check is not None and commands.openapi_differs(check):
        typer.echo(f"error: {check} differs: write it again with --write", err=True)
        raise typer.Exit(1)
    if write is not None:
        commands.write_openapi(write)
    if write is None and check is None:
        typer.echo(commands.openapi_text(), nl=False)


if __name__ == "__main__":
    app()
