"""Takes what the processes write and shows it to a person, each line with its process in front.

Invariant: a process is never held up for long by its output: lines are read as they come, and one without an end is
cut. On a terminal the JSON lines of the services are made readable and coloured, and what the servers tell of a day
without trouble is left to their files; piped, every line stays as it is.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from yoyaku.embedded.server_lines import SERVERS, Chatter, ServerFiles

LONGEST_LINE_BYTES = 64 * 1024
KEPT_LINES = 20
_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_STYLES = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold white on red", "DEBUG": "dim"}
_TIME_KEYS = ("time", "timestamp", "ts")
_LEVEL_KEYS = ("level", "severity", "severity_text")
_MESSAGE_KEYS = ("message", "msg", "body", "event")
_QUIET_KEYS = frozenset({"service", "service.name", "logger", "name", "span_id", "version", "environment", "instance"})
_SHORT_KEYS = frozenset({"trace_id"})


class LogPump:
    """Reads the outputs of processes and writes them to one console."""

    services_keep_files = True
    """Whether services are to keep log files of their own beside what they write here."""

    def __init__(
        self, console: Console, *, width: int = 18, quiet: bool = False, server_files: ServerFiles | None = None
    ) -> None:
        self._console = console
        self._width = width
        self._quiet = quiet
        self._chatter = Chatter()
        self._server_files = server_files
        self._styles: dict[str, str] = {}
        self._kept: dict[str, deque[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def output(self, name: str) -> int:
        """Return a descriptor for the output of a process; the caller closes it once the process has it."""
        reading, writing = os.pipe()
        task = asyncio.get_running_loop().create_task(self._pump(name, reading), name=f"read {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return writing

    def notice(self, name: str, what: str, facts: Mapping[str, object]) -> None:
        """Show a line of the supervisor's own about a process."""
        told = " ".join(f"{key}={value}" for key, value in facts.items())
        self.show(name, f"{what} {told}".rstrip(), style="bold")

    def last_lines(self, name: str) -> list[str]:
        """Return the newest lines a process wrote."""
        return list(self._kept.get(name, ()))

    async def drain(self, timeout_seconds: float = 2.0) -> None:
        """Show what the processes that ended had still written."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)
        if self._server_files is not None:
            self._server_files.close()

    def hides_lines_of(self, name: str) -> bool:
        """Whether a person may not have seen what a process wrote."""
        return self._quiet or (name in SERVERS and self._console.is_terminal)

    def show(self, name: str, line: str, style: str = "") -> None:
        """Write one line with its process in front."""
        self._keep(name, line)
        if self._quiet:
            return
        try:
            self._write(name, line, style)
        except OSError:
            # Nobody reads us any more; the processes must not be held up by that.
            self._quiet = True

    def _take(self, name: str, line: str) -> None:
        if self._server_files is not None and name in SERVERS:
            self._server_files.write(name, line)
        if self._console.is_terminal and self._chatter.is_chatter(name, line):
            self._keep(name, line)
        else:
            self.show(name, line)

    def _keep(self, name: str, line: str) -> None:
        self._kept.setdefault(name, deque(maxlen=KEPT_LINES)).append(line)

    def _write(self, name: str, line: str, style: str) -> None:
        if not self._console.is_terminal:
            self._console.file.write(f"{name:<{self._width}} | {line}\n")
            self._console.file.flush()
            return
        text = Text(f"{name:<{self._width}} │ ", style=self._style_of(name))
        text.append_text(readable(line) if not style else Text(line, style=style))
        self._console.print(text, soft_wrap=True)

    def _style_of(self, name: str) -> str:
        return self._styles.setdefault(name, _COLOURS[len(self._styles) % len(_COLOURS)])

    async def _pump(self, name: str, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
        )
        rest = b""
        try:
            while chunk := await reader.read(LONGEST_LINE_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST_LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._take(name, line.decode(errors="replace").rstrip("\r"))
            if rest:
                self._take(name, rest.decode(errors="replace"))
        finally:
            transport.close()


class LogFiles:
    """Sends the output of each process into a file of its own, with nobody in between (for tests)."""

    services_keep_files = False
    """The files are these."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def file(self, name: str) -> Path:
        """Return the file of a process."""
        return self._folder / f"{name}.log"

    def output(self, name: str) -> int:
        """Return a descriptor for the output of a process; the caller closes it once the process has it."""
        return os.open(self.file(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def last_lines(self, name: str) -> list[str]:
        """Return the newest lines a process wrote."""
        try:
            return self.file(name).read_text(errors="replace").splitlines()[-KEPT_LINES:]
        except OSError:
            return []


def readable(line: str) -> Text:
    """Return a line as people read it: a JSON object as time, level, message and facts; anything else as it is."""
    record = _parsed(line)
    if record is None:
        return Text(line)
    level = str(_take(record, _LEVEL_KEYS) or "INFO").upper()
    text = Text(f"{_clock(_take(record, _TIME_KEYS))} ", style="dim")
    text.append(f"{level:<8}", style=_LEVEL_STYLES.get(level, "green"))
    text.append(str(_take(record, _MESSAGE_KEYS) or ""))
    for key, value in record.items():
        if key not in _QUIET_KEYS and value not in (None, "", {}, []):
            shown = str(value)[:8] if key in _SHORT_KEYS else _shown(value)
            text.append(f" {key}=", style="dim").append(shown, style="dim" if key in _SHORT_KEYS else "")
    return text


def _parsed(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not any(key in record for key in _MESSAGE_KEYS):
        return None
    for nested in ("extra", "attributes", "fields"):
        if isinstance(record.get(nested), dict):
            record |= record.pop(nested)
    return record


def _take(record: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in record:
            return record.pop(key)
    return None


def _clock(stamp: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(stamp)).astimezone():%H:%M:%S}"
    except ValueError:
        return "--:--:--"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
