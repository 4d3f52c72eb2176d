"""Tells the story on a console: chapters, sentences, facts, small tables, bars.

Everything printed goes through here, so that a story told to a program (`--json`) is silent by having no console.
"""

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

from yoyaku.embedded.story.facts import Fact
from yoyaku.embedded.trace_view import glyphs_for

_INDENT = 2


class Narrator:
    """Prints what happens."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._unicode = glyphs_for(console).bar == "█"

    def chapter(self, number: int, title: str) -> None:
        """Open a chapter."""
        self.console.print()
        heading = Text.assemble((f" {number} ", "bold reverse cyan"), " ", (title, "bold"))
        self.console.print(Rule(heading, align="left", style="cyan", characters="─" if self._unicode else "-"))

    def busy(self, what: str) -> Status:
        """Show, on a terminal, that something is going on; a context manager."""
        return self.console.status(Text(f"{what} …", style="dim"))

    def say(self, text: str) -> None:
        """Tell one or two sentences; `[bold]` and other rich markup are allowed."""
        self.console.print(Padding(Text.from_markup(text), (0, 0, 0, _INDENT)))

    def fact(self, fact: Fact) -> None:
        """Show a fact: green when it held, else red with what was seen."""
        mark = ("✓" if fact.held else "✗") if self._unicode else ("ok" if fact.held else "NOT TRUE")
        style = "green" if fact.held else "bold red"
        line = Text.assemble((f"{mark} ", style), (fact.text, "" if fact.held else "red"))
        self.console.print(Padding(line, (0, 0, 0, _INDENT)))
        if not fact.held:
            self.console.print(Padding(Text(f"seen: {fact.seen}", style="red"), (0, 0, 0, _INDENT + 2)))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Show a small table; `right` names the columns that stand right."""
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.show(table)

    def bars(self, rows: Sequence[tuple[str, int, str]], *, width: int = 60) -> None:
        """Show amounts as bars: label, amount, colour."""
        most = max((amount for _, amount, _ in rows), default=1) or 1
        block = "█" if self._unicode else "#"
        for label, amount, colour in rows:
            length = max(1, round(amount / most * width)) if amount else 0
            line = Text.assemble((label.ljust(22), "bold"), (block * length, colour), f" {amount}")
            self.console.print(Padding(line, (0, 0, 0, _INDENT)))

    def show(self, renderable: RenderableType) -> None:
        """Show anything, with air around it."""
        self.console.print(Padding(renderable, (0, 0, 0, _INDENT)))
