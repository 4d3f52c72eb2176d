"""`yoyaku audit keys`: the log's signing keys. They rotate with overlap: every key of the file signs.

`list` prints what verifiers are told (vkeys); `new` adds a key; `retire` takes one away once every verifier knows the
new one. A running service reads the file again by itself.
"""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from yoyaku.audit_log.domain.new_entry import origin_of
from yoyaku.audit_log.entrypoints.commands.asking import DATA, EXIT_REFUSED, EXIT_USAGE, DataOption, JsonOption, fail
from yoyaku.audit_log.wiring.keys import KeyFileError, KeyNotRetiredError, add_key, retire_key, verifier_keys

KEYS_OF_DATA: Final = Path("secrets/audit-signing.keys")
"""Where a system that runs by `yoyaku up` has its signing keys, below its data folder."""

keys_app = typer.Typer(no_args_is_help=True, help="The log's signing keys: list, new, retire.")

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The file of seeds; else that of the data folder.", metavar="FILE")
]
EnvironmentOption = Annotated[str, typer.Option("--environment", help="As in AUDIT_LOG_ENVIRONMENT.")]
EpochOption = Annotated[int, typer.Option("--epoch", min=1, help="Which epoch of the log the keys are named for.")]


@keys_app.command("list")
def list_command(
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Print the public keys (vkeys), one a line, in the order in which they sign."""
    try:
        keys = verifier_keys(_file(file, data), origin_of(environment, epoch))
    except KeyFileError as error:
        fail(str(error), EXIT_USAGE)
    vkeys = [key.vkey for key in keys]
    typer.echo(json.dumps(vkeys, indent=2) if as_json else "\n".join(vkeys))


@keys_app.command("new")
def new_command(
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    data: DataOption = DATA,
) -> None:
    """Add a new key and print its vkey; from now on checkpoints have its signature, too."""
    try:
        typer.echo(add_key(_file(file, data), origin_of(environment, epoch)).vkey)
    except (KeyFileError, OSError) as error:
        fail(str(error), EXIT_USAGE)


@keys_app.command("retire")
def retire_command(
    key_id: Annotated[str, typer.Argument(help="The eight hexadecimal digits in the vkey, after the first plus.")],
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    data: DataOption = DATA,
) -> None:
    """Take a key away: it signs no more. What it signed stays valid for who knows its vkey."""
    try:
        number = int(key_id, 16)
    except ValueError:
        fail(f"not a key id of eight hexadecimal digits: {key_id}", EXIT_USAGE)
    try:
        typer.echo(retire_key(_file(file, data), origin_of(environment, epoch), number).vkey)
    except KeyNotRetiredError as error:
        fail(str(error), EXIT_REFUSED)
    except (KeyFileError, OSError) as error:
        fail(str(error), EXIT_USAGE)


def _file(file: Path | None, data: Path) -> Path:
    return data / KEYS_OF_DATA if file is None else file
