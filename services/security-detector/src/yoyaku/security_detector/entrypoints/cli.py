"""`yoyaku security`: for operators. Each command runs a module of its own, so that loading this one costs nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

_PACKAGE: Final = "yoyaku.security_detector"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Attacks seen, and who is blocked until when.")


@app.command()
def blocks(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON, for programs.")] = False,
    data: Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")] = Path(
        ".yoyaku"
    ),
) -> None:
    """List the blocks in force. SECURITY_DETECTOR_DATABASE__… in the environment wins over the data folder."""
    module = f"{_PACKAGE}.entrypoints.list_blocks"
    command = [sys.executable, "-m", module, str(data), *(["--json"] if as_json else [])]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def witness(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON, for programs.")] = False,
    note: Annotated[
        bool,
        typer.Option("--note", help="Print the newest cosigned checkpoint alone, for `yoyaku audit verify --since`."),
    ] = False,
    data: Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")] = Path(
        ".yoyaku"
    ),
) -> None:
    """Show the witness's keys and the newest checkpoints of the audit log that it cosigned."""
    module = f"{_PACKAGE}.entrypoints.show_witness"
    options = [*(["--json"] if as_json else []), *(["--note"] if note else [])]
    raise typer.Exit(subprocess.run([sys.executable, "-m", module, str(data), *options], check=False).returncode)


@app.command()
def serve() -> None:
    """Run the detector until Ctrl-C (settings from SECURITY_DETECTOR_… in the environment)."""
    os.execv(sys.executable, [sys.executable, "-m", _PACKAGE])  # noqa: S606 - the same interpreter, no shell


@app.command()
def migrate() -> None:
    """Bring the database to the state this version needs, as its owner role."""
    os.execv(sys.executable, [sys.executable, "-m", _PACKAGE, "migrate"])  # noqa: S606 - as above
