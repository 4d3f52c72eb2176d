"""`yoyaku demo`: starts the whole system in a folder of its own, plays the story on it, and checks each fact."""

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from yoyaku.cli.invocation import as_typed
from yoyaku.embedded.cli import EXPECTED_ERRORS
from yoyaku.embedded.log_lines import LogFiles
from yoyaku.embedded.processes import OTLP_ENDPOINT
from yoyaku.embedded.story.facts import Facts
from yoyaku.embedded.story.house import EmbeddedHouse
from yoyaku.embedded.story.narrator import Narrator
from yoyaku.embedded.story.play import CHAPTERS, perform
from yoyaku.embedded.story.stage import ATTACKER, HOME, NEIGHBOUR, Credentials, staged
from yoyaku.embedded.supervisor import NotReadyError
from yoyaku.embedded.system import System, SystemOptions, start_system
from yoyaku.embedded.trace_command import wide_console

FAILED, INTERRUPTED = 1, 130


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a performance."""

    start_seconds: float
    story_seconds: float
    chapter_seconds: Mapping[str, float]
    facts: Facts


class CannotPlayError(Exception):
    """The story cannot begin on this machine; the text says why and what to do."""


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder, and say where it is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and no story.")] = False,
) -> None:
    """Play the whole story on real servers, and check each fact it states.

    Exits 0 only when every fact held. Nothing is left behind but, with --keep or when a fact did not hold, the data.
    """
    console = Console(file=io.StringIO()) if as_json else wide_console()
    folder = Path(tempfile.mkdtemp(prefix="yoyaku-demo-"))
    folders, worth_a_look = [folder], True
    try:
        outcome = asyncio.run(_played(folders, Narrator(console)))
        worth_a_look = not outcome.facts.all_held
    except (CannotPlayError, *EXPECTED_ERRORS) as error:
        _explain(error, folder)
        raise typer.Exit(FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        worth_a_look = False
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if keep or worth_a_look:
            Console(stderr=True).print(f"The data is kept in {folder} (logs in {folder / 'logs'}).", soft_wrap=True)
        else:
            for one in folders:
                shutil.rmtree(one, ignore_errors=True)
    if as_json:
        sys.stdout.write(json.dumps(as_document(outcome), ensure_ascii=False) + "\n")
    else:
        _close(console, outcome)
    raise typer.Exit(0 if outcome.facts.all_held else FAILED)


async def _played(folders: list[Path], narrator: Narrator) -> Outcome:
    """Play on a system in the first folder; where PostgreSQL had to live elsewhere, that folder joins the list."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    require_addresses()
    narrator.console.print(_title())
    began = time.monotonic()
    options = SystemOptions(folders[0], environment=_environment())
    with narrator.console.status("Starting PostgreSQL, NATS and the four services …"):
        entered = start_system(folders[0], options=options)
        system = await entered.__aenter__()
    if system.postgres.placement.moved:
        folders.append(system.postgres.placement.root)
    try:
        start_seconds = time.monotonic() - began
        _introduce(narrator, system, start_seconds)
        if system.admin is None:
            raise CannotPlayError("the system came up without making its first administrator")
        admin = Credentials(system.admin.user_id, system.admin.password.get_secret_value())
        facts = Facts(on_fact=narrator.fact)
        async with staged(EmbeddedHouse(system), narrator, facts, admin) as stage:
            chapter_seconds = await perform(stage)
        return Outcome(start_seconds, time.monotonic() - began - start_seconds, chapter_seconds, facts)
    finally:
        await entered.__aexit__(*sys.exc_info())


def require_addresses() -> None:
    """Make sure that clients can come from three loopback addresses. Raises CannotPlayError."""
    for address in (HOME, ATTACKER, NEIGHBOUR):
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                hint = f"; add it with: sudo ifconfig lo0 alias {address}" if sys.platform == "darwin" else ""
                raise CannotPlayError(
                    f"the story needs a client at {address}, which this machine lacks{hint}"
                ) from None


def _environment() -> dict[str, str]:
    """Return our environment without a collector: the story draws traces from its own store."""
    return {name: value for name, value in os.environ.items() if name != OTLP_ENDPOINT}


def _title() -> Panel:
    text = Text.assemble(
        ("Yoyaku 予約", "bold cyan"),
        "\nFour services on one bus, and a story played through all of them.\n",
        ("Every line with a mark was checked on the running system.", "dim"),
    )
    return Panel(text, border_style="cyan", padding=(0, 2), expand=False)


def _introduce(narrator: Narrator, system: System, seconds: float) -> None:
    narrator.say(f"Everything runs after [bold]{seconds:.1f} s[/bold]: real processes, each on its own, on free ports.")
    rows = [(name, str(one.pid)) for name, one in system.supervisor.processes.items()]
    half = -(-len(rows) // 2)
    pairs = [(*left, *(rows[half + i] if half + i < len(rows) else ("", ""))) for i, left in enumerate(rows[:half])]
    narrator.table(("process", "pid", "process", "pid"), pairs, right=(1, 3))
    narrator.say(f"[dim]gateway {system.gateway_url}[/dim]")


def _close(console: Console, outcome: Outcome) -> None:
    facts = outcome.facts
    if facts.all_held:
        text = Text.assemble(
            (f"All {len(facts.stated)} facts held.", "bold green"),
            f"\nThe system started in {outcome.start_seconds:.1f} s, the story took {outcome.story_seconds:.1f} s.",
            (f"\nNext: make up   {as_typed()} --help   docs/architecture", "dim"),
        )
    else:
        text = Text(f"{len(facts.failed)} of {len(facts.stated)} facts did not hold:", style="bold red")
        for fact in facts.failed:
            text.append(f"\n✗ {fact.chapter}: {fact.text}", style="red")
            text.append(f"\n  seen: {fact.seen}", style="dim red")
    console.print()
    console.print(Panel(text, border_style="green" if facts.all_held else "red", padding=(0, 2), expand=False))


def _explain(error: Exception, folder: Path) -> None:
    console = Console(stderr=True)
    console.print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
    if isinstance(error, NotReadyError):
        for line in LogFiles(folder / "logs").last_lines(error.name):
            console.print(Text(line), style="dim", soft_wrap=True)


def as_document(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as plain JSON values."""
    return {
        "held": outcome.facts.all_held,
        "start_seconds": round(outcome.start_seconds, 3),
        "story_seconds": round(outcome.story_seconds, 3),
        "chapters": [
            {
                "title": chapter.title,
                "seconds": outcome.chapter_seconds.get(chapter.title),
                "facts": [
                    {name: value for name, value in asdict(fact).items() if name != "chapter"}
                    for fact in outcome.facts.stated
                    if fact.chapter == chapter.title
                ],
            }
            for chapter in CHAPTERS
        ],
    }
