"""The `yoyaku` command: one group or command for each entry point of `yoyaku.commands`.

A package adds itself by declaring an entry point, so an image that holds one service shows that service's
group alone, and this package imports no other. A named command loads only its own package; `--help` loads all.
"""

import os
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer
import typer.main
from rich.console import Console
from typer.core import TyperGroup

GROUP = "yoyaku.commands"
QUIET = {"LOGURU_LEVEL": "ERROR"}
"""What libraries log below this is not for the terminal of a command; services choose levels of their own."""


def to_click(name: str, loaded: Any) -> Any:
    """Turn what an entry point names (a Typer application or a plain function) into a command."""
    if isinstance(loaded, typer.Typer):
        command: Any = typer.main.get_command(loaded)
    else:
        app = typer.Typer(add_completion=False)
        app.command(name)(loaded)
        command = typer.main.get_command(app)
    command.name = name
    return command


class EntryPointGroup(TyperGroup):
    """A group whose commands are the installed entry points, loaded when they are asked for.

    Typer brings a click of its own under a private name, so contexts and commands have no type to be named here.
    """

    def _entry(self, name: str) -> EntryPoint | None:
        found = [e for e in entry_points(group=GROUP) if e.name == name]
        return found[0] if found else None

    def list_commands(self, ctx: Any) -> list[str]:
        """Name every installed command, sorted."""
        return sorted({e.name for e in entry_points(group=GROUP)})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command; `None` when nothing of that name is installed."""
        entry = self._entry(cmd_name)
        return to_click(cmd_name, entry.load()) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that was typed; one that does not exist is answered with those that look like it."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            similar = " or ".join(f"`yoyaku {name}`" for name in get_close_matches(args[0], known))
            ctx.fail(f"there is no command '{args[0]}'" + (f", did you mean {similar}?" if similar else ""))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=EntryPointGroup,
    name="yoyaku",
    no_args_is_help=True,
    add_completion=False,
    help="Yoyaku (予約) books meeting rooms. Start with: yoyaku up, yoyaku demo, yoyaku status.",
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 -- typer calls it so
    if wanted:
        typer.echo(f"yoyaku {version('yoyaku-cli')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Yoyaku (予約) books meeting rooms. Start with: yoyaku up, yoyaku demo, yoyaku status."""


def main() -> None:
    """Run the command line; Ctrl-C ends it with code 130 and no traceback."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        raise SystemExit(130) from None
