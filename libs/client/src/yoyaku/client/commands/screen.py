"""What a command prints: tables and colours on a terminal, tab-separated lines when piped, one document with --json.

Invariant: what other people wrote (titles, names) never reaches a terminal with control characters in it.
"""

import json
import os
import shlex
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yoyaku.cli.invocation import as_typed
from yoyaku.client.commands.options import DEFAULT_URL
from yoyaku.client.commands.texts import language_of, say, weekday

SHORT_ID = 8


class Screen:
    """Where a command prints, in which language, and for which gateway."""

    def __init__(self, url: str, *, as_json: bool) -> None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        self.url = url.rstrip("/")
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        self.language = language_of()
        self.out = Console(highlight=False)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str, /, **facts: object) -> str:
        """Return a text in the person's language."""
        return say(self.language, text, **facts)

    def document(self, value: Any) -> None:
        """Print one JSON document."""
        sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2) + "\n")

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Print a line that may be styled and is never broken."""
        self.out.print(Text.assemble(*parts), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print what is not the result itself; a program that reads the output does not get it."""
        self.err.print(Text(text, style="dim"))

    def fail(self, text: str) -> None:
        """Print an error."""
        self.err.print(Text.assemble((self.say("error"), "bold red"), " ", shown(text)))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print rows: a table on a terminal, else a line each with tabs between."""
        if not self.terminal:
            for row in rows:
                sys.stdout.write("\t".join(shown(cell) for cell in row) + "\n")
            return
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(shown(cell)) for cell in row))
        self.out.print(table)

    def command(self, *words: str) -> str:
        """Return a command as it can be typed here."""
        elsewhere = self.url != os.environ.get("YOYAKU_URL", DEFAULT_URL).rstrip("/")
        return " ".join(
            [as_typed(), *(shlex.quote(word) for word in words), *(["--url", self.url] if elsewhere else [])]
        )

    def day(self, moment: datetime) -> str:
        """Return a moment's date, with the weekday on a terminal."""
        if not self.terminal:
            return f"{moment:%Y-%m-%d}"
        return f"{moment:%Y-%m-%d} {weekday(self.language, moment.weekday())}"

    def status(self, status: str) -> str:
        """Return what a status is called; one that this program does not know stays as it is."""
        names = {"confirmed": "confirmed", "cancelled": "cancelled-status"}
        return self.say(names[status]) if self.terminal and status in names else status

    def kind(self, kind: str) -> str:
        """Return what a part of a room's day is called."""
        known = kind in ("free", "reservation", "buffer", "closure", "outside-hours")
        return self.say(kind) if self.terminal and known else kind

    def id(self, whole: str) -> str:
        """Return an id: its end on a terminal, which commands take too, else all of it."""
        return whole[-SHORT_ID:] if self.terminal else whole


def hours(starts_at: datetime, ends_at: datetime) -> str:
    """Return an interval of local times; an end on a later day says how many days later."""
    days = (ends_at.date() - starts_at.date()).days
    return f"{starts_at:%H:%M}-{ends_at:%H:%M}" + (f" +{days}" if days else "")


def shown(text: str) -> str:
    """Return a text without what would move a terminal's cursor or break a line."""
    return "".join(
        " " if char in "\t\n\r" else char for char in text if char in "\t\n\r" or unicodedata.category(char) != "Cc"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value
