"""Makes a file of a local folder survive a power cut: the file, and the folders that name it, are synced.

Source: fsync(2): "Calling fsync() does not necessarily ensure that the entry in the directory containing the file has
also reached disk. For that an explicit fsync() on a file descriptor for the directory is also needed."
"""

import asyncio
import os
from pathlib import Path


async def make_durable(folder: Path, name: str) -> None:
    """Sync the file `name` below `folder`, and each folder from the file's up to and including `folder`.

    Raises OSError when the disk refuses.
    """
    await asyncio.to_thread(_sync_all, folder, folder / name)


def make_folder(folder: Path) -> None:
    """Make a folder, where it is missing, that only its owner may enter, and sync what names it. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in missing:
        _sync(path.parent)


def _sync_all(folder: Path, file: Path) -> None:
    for path in (file, *(parent for parent in file.parents if parent.is_relative_to(folder))):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
