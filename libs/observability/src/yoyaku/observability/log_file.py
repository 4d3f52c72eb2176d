"""A log file that is rotated by size and at midnight UTC, compressed in the background, and deleted by age.

Invariant: writing never raises and never waits for compression; a full disk loses lines, not requests. Several
processes may share one file: each notices when another has rotated it.
"""

import contextlib
import gzip
import os
import shutil
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from loguru._file_sink import FileSink

if TYPE_CHECKING:
    from loguru import Message

_MODE: Final = 0o640
_SUFFIX_WHILE_COMPRESSING: Final = ".part"


class LogFile:
    """The sink; loguru's own file sink does the rotating."""

    def __init__(self, path: Path, *, rotation_size_bytes: int, retention_days: int) -> None:
        self._failing = False
        self._sink: Any = FileSink(  # type: ignore[no-untyped-call]
            str(path),
            rotation=_DailyOrLarge(rotation_size_bytes),
            retention=_DeleteOlderThan(timedelta(days=retention_days)),
            compression=_compress_in_background,
            delay=True,
            watch=True,
            encoding="utf-8",
            opener=lambda name, flags: os.open(name, flags, _MODE),
        )

    def write(self, message: "Message") -> None:
        """Append one line."""
        try:
            self._sink.write(message)
            self._failing = False
        except (OSError, ValueError) as exc:
            if not self._failing:
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.write(
                        f'{{"level": "ERROR", "message": "log file cannot be written: {type(exc).__name__}"}}\n'
                    )
            self._failing = True

    def close(self) -> None:
        """Close the file; it is continued, not rotated, by the next start."""
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it may never have been opened
            self._sink._close_file()


class _DailyOrLarge:
    """Loguru's rotation rule: true when the line belongs to another day or would make the file too large."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._file: TextIO | None = None
        self._day: date | None = None

    def __call__(self, message: "Message", file: TextIO) -> bool:
        today = message.record["time"].astimezone(UTC).date()
        size = os.fstat(file.fileno()).st_size
        if file is not self._file:  # just opened, perhaps because another process has rotated it
            self._file = file
            self._day = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC).date() if size else today
        due = size > 0 and (self._day != today or size + len(message) > self._size_bytes)
        self._day = today
        return due


class _DeleteOlderThan:
    """Loguru's retention rule; unlike loguru's own, it does not mind files that are being compressed meanwhile."""

    def __init__(self, age: timedelta) -> None:
        self._age = age

    def __call__(self, paths: Iterable[str]) -> None:
        oldest = (datetime.now(UTC) - self._age).timestamp()
        for path in map(Path, paths):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _compress_in_background(path: str) -> None:
    threading.Thread(target=_compress, args=(Path(path),), name="log-compression").start()


def _compress(path: Path) -> None:
    target = path.with_name(path.name + ".gz")
    part = target.with_name(target.name + _SUFFIX_WHILE_COMPRESSING)
    try:
        with path.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        shutil.copystat(path, part)
        part.replace(target)
        path.unlink()
    except OSError:
        part.unlink(missing_ok=True)
