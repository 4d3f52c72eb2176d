"""What PostgreSQL and NATS write: all of it into a file, and which of it a person at the terminal wants to see.

Invariant: a line whose severity is not understood is shown; what is hidden is in the file.
"""

import re
from pathlib import Path
from typing import TextIO

from yoyaku.embedded.processes import NATS, POSTGRES, TELEMETRY_STORE

SERVERS = frozenset({POSTGRES, NATS, TELEMETRY_STORE})
"""Processes that keep no log files of their own."""
LARGEST_FILE_BYTES = 20_000_000
_NATS_QUIET = re.compile(r"^\[\d+\] \S+ \S+ \[(?:INF|DBG|TRC)\]")
_POSTGRES_SEVERITY = re.compile(r"^\d{4}-\S+ \S+ \S+ \[\d+\].*? ([A-Z]+\d?): ")
_POSTGRES_QUIET = frozenset({"LOG", "INFO", "NOTICE", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5"})
_POSTGRES_MORE = frozenset({"DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"})


class Chatter:
    """Tells the servers' everyday lines from those that say that something is wrong."""

    def __init__(self) -> None:
        self._last_was_chatter = False

    def is_chatter(self, name: str, line: str) -> bool:
        """Whether a process's next line is below a warning; lines that go on from another are as that one was."""
        if name == NATS:
            return _NATS_QUIET.match(line) is not None
        if name != POSTGRES:
            return False
        found = _POSTGRES_SEVERITY.match(line)
        goes_on = line.startswith("\t") if found is None else found[1] in _POSTGRES_MORE
        if not goes_on:
            self._last_was_chatter = found is not None and found[1] in _POSTGRES_QUIET
        return self._last_was_chatter


class ServerFiles:
    """One file a server, `<folder>/<name>.log`; a full one is kept as `<name>.log.1` in place of the one before."""

    def __init__(self, folder: Path, *, largest_bytes: int = LARGEST_FILE_BYTES) -> None:
        self._folder = folder
        self._largest_bytes = largest_bytes
        self._open: dict[str, TextIO] = {}

    def write(self, name: str, line: str) -> None:
        """Append a line. A disk that is full loses lines, nothing else."""
        try:
            file = self._open.get(name) or self._opened(name)
            file.write(line + "\n")
            if file.tell() > self._largest_bytes:
                self._open.pop(name).close()
                path = Path(file.name)
                path.replace(path.with_name(path.name + ".1"))
        except (OSError, ValueError):
            self._open.pop(name, None)

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()

    def _opened(self, name: str) -> TextIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{name}.log"
        path.touch(mode=0o600)
        file = self._open[name] = path.open("a", buffering=1, encoding="utf-8", errors="replace")
        return file
