"""The folder that an export goes into.

Invariant: a file is there whole or not at all, whatever ends the process in between.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from yoyaku.audit_log.usecases.export_log import ExportRefusedError

MARK: Final = ".yoyaku-export"
"""Says of which log the folder is, also before its first checkpoint."""
_OURS: Final = frozenset({MARK, "checkpoint", "checkpoints", "tile", "bodies"})
_HALF: Final = ".half-written"
_LONGEST_ORIGIN: Final = 1000
_PARTIAL: Final = re.compile(r"[0-9]{3}\.p")


class ExportFolder:
    """A folder in the layout of C2SP tlog-tiles."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def origin(self) -> str | None:
        """Return of which log the folder is; None for one that is empty. Raises ExportRefusedError for any other."""
        if not self._folder.exists():
            return None
        if not self._folder.is_dir():
            raise ExportRefusedError("it is no folder")
        names = {entry.name for entry in self._folder.iterdir()}
        if MARK in names:
            with (self._folder / MARK).open("rb") as mark:
                return mark.read(_LONGEST_ORIGIN).decode(errors="replace").strip()
        if names:
            raise ExportRefusedError(f"it holds something else, such as {min(names)!r}")
        return None

    def begin(self, origin: str) -> None:
        """Remember of which log the folder is from now on."""
        self.write(MARK, f"{origin}\n".encode())

    def read(self, path: str) -> bytes | None:
        """Return a file; None when it is not there."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def size_of(self, path: str) -> int | None:
        """Return how long a file is; None when it is not there."""
        try:
            return (self._folder / path).stat().st_size
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file: whole or not at all."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{target.name}{_HALF}")
        half.write_bytes(content)
        half.replace(target)

    def drop_partial(self, keep: Callable[[str], bool]) -> None:
        """Remove the partial tiles and bundles of a smaller tree, and what an end of the process left half written."""
        for folder, _, names in os.walk(self._folder / "tile"):
            inside = Path(folder)
            for name in names:
                path = inside / name
                is_old = bool(_PARTIAL.fullmatch(inside.name)) and not keep(path.relative_to(self._folder).as_posix())
                if is_old or name.endswith(_HALF):
                    path.unlink()
            if _PARTIAL.fullmatch(inside.name):
                with suppress(OSError):
                    inside.rmdir()
