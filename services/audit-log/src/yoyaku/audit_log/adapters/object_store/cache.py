"""Objects of the archive on this machine, so that searching sealed months asks the store for each object once.

Invariant: a file of the folder has the digest in its name: it is written under another name, checked, and renamed.
The folder is this process's own; what is oldest in use goes first when it grows past its limit.
"""

import asyncio
import os
from pathlib import Path

from yoyaku.audit_log.domain.archive import StoredFile
from yoyaku.audit_log.usecases.archive_ports import Archive
from yoyaku.audit_log.usecases.read_archive import read_checked


class FolderCache:
    """A folder of at most about `limit_bytes`; one object more than the limit may stay."""

    def __init__(self, archive: Archive, folder: Path, limit_bytes: int) -> None:
        self._archive = archive
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._fetching: dict[bytes, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def path_of(self, origin: str, file: StoredFile) -> Path:
        """Return the object as a local file; see `ArchiveCache`."""
        path = self._folder / file.sha256.hex()
        if path.exists():
            await asyncio.to_thread(os.utime, path)
            return path
        # Who asks for what another is fetching waits for that; one who gives up does not end it for the others.
        task = self._fetching.get(file.sha256)
        if task is None:
            task = self._fetching[file.sha256] = asyncio.create_task(self._fetch(origin, file, path))
            task.add_done_callback(lambda _: self._fetching.pop(file.sha256, None))
        await asyncio.shield(task)
        return path

    async def _fetch(self, origin: str, file: StoredFile, path: Path) -> None:
        data = await read_checked(self._archive, origin, file)
        async with self._one_at_a_time:
            await asyncio.to_thread(self._keep, path, data)

    def _keep(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime)
        total = sum(one.stat().st_size for one in kept)
        while kept and total + len(data) > self._limit_bytes:
            oldest = kept.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink()
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)
