"""`yoyaku booking keys ...`: the keys that sign access tokens.

Invariant: light to import; what a command needs is loaded when it runs.
"""

import importlib
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

_COMMANDS: Final = "yoyaku.booking.entrypoints.key_commands"
REFUSED: Final = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The keys that sign access tokens: list, rotate, revoke.",
)

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Data = Annotated[
    Path, typer.Option(help="The data folder of a running `yoyaku up`, where BOOKING_DATABASE__... does not say.")
]
_DATA: Final = Path(".yoyaku")


@app.command("list")
def list_keys(data: _Data = _DATA, as_json: _AsJson = False) -> None:
    """Show every key and what it is for now."""
    keys = importlib.import_module(_COMMANDS).list_keys(data)
    if as_json:
        typer.echo(json.dumps(keys))
        return
    for key in keys:
        until = key["revoked_at"] or key["verifies_until"] or "-"
        typer.echo(f"{key['key_id']}  {key['state']:<9}  signs from {key['signs_from']}  until {until}")


@app.command()
def rotate(
    at_once: Annotated[
        bool, typer.Option("--now", help="Sign with it at once, before every gateway knows it.")
    ] = False,
    data: _Data = _DATA,
    as_json: _AsJson = False,
) -> None:
    """Make a new key; it signs when every gateway knows it, and nobody is logged out. Exit with 3 when one waits."""
    _told(lambda commands: commands.rotate_keys(data, at_once=at_once), as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key to revoke, as `list` shows it.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new key in the same step, which signs at once.")
    ] = False,
    data: _Data = _DATA,
    as_json: _AsJson = False,
) -> None:
    """Refuse every token that the key signed. Exit with 3 when nothing could be signed without it."""
    _told(lambda commands: commands.revoke_key(data, key_id, replace=replace), as_json=as_json)


def _told(work: Any, *, as_json: bool) -> None:
    commands = importlib.import_module(_COMMANDS)
    try:
        made = work(commands)
    except commands.SigningKeyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from None
    if as_json:
        typer.echo(json.dumps(made))
    elif made is None:
        typer.echo("revoked")
    else:
        typer.echo(f"key {made['key_id']} signs from {made['signs_from']}")
