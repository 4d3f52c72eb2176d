"""Write the log's files as anybody can check them: C2SP tlog-tiles, kept checkpoints, bodies, up to one checkpoint.

Invariant: `checkpoint` is written last, so a folder that has one holds everything that it vouches for. What is whole
already is kept; an export that broke off goes on where it was. Memory is bounded by a few bundles. What is damaged is
written as it is, for the verifier to name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol

from yoyaku.audit_log.domain.files import (
    CHECKPOINT,
    Body,
    CheckpointIndex,
    KeptCheckpoint,
    NoSuchFileError,
    body_named_in,
    path_of,
)
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedError, MalformedTileError
from yoyaku.tlog.note import parse_note
from yoyaku.tlog.tiles import BundleId, TileId, bundles_of, decode_bundle, tiles_of

AT_ONCE: Final = 4
"""Files asked for at a time: the answers wait for the network and the database."""


class ExportRefusedError(Exception):
    """The folder cannot take this log; the message says why."""


class Files(Protocol):
    """The log's files, of one epoch."""

    async def read(self, path: str) -> bytes:
        """Return a file whole. Raises NoSuchFileError."""


class Folder(Protocol):
    """Where the export goes. Every path is one of the layout. Raises OSError."""

    def origin(self) -> str | None:
        """Return of which log the folder is; None for one that is empty. Raises ExportRefusedError for any other."""

    def begin(self, origin: str) -> None:
        """Remember of which log the folder is from now on."""

    def read(self, path: str) -> bytes | None:
        """Return a file; None when it is not there."""

    def size_of(self, path: str) -> int | None:
        """Return how long a file is; None when it is not there."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file: whole or not at all."""

    def drop_partial(self, keep: Callable[[str], bool]) -> None:
        """Remove the partial tiles and bundles of a smaller tree."""


@dataclass
class Progress:
    """How far an export is."""

    total: int
    done: int = 0
    written: int = 0
    kept: int = 0
    gone: int = 0
    """Bundles whose entries were deleted because their time was over."""
    damaged: int = 0
    """Tiles that the log cannot give, and bundles that are not whole."""
    bodies: int = 0
    checkpoints: int = 0


class ExportLog:
    """One export."""

    def __init__(self, files: Files, folder: Folder, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
        self._files = files
        self._folder = folder
        self._on_progress = on_progress
        self._progress = Progress(0)

    async def __call__(self, note: str) -> Progress:
        """Export all up to a checkpoint. Raises ExportRefusedError, MalformedError, OSError, and as Files does."""
        newest = Checkpoint.parse(parse_note(note).text)
        self._claim(newest)
        tiles, bundles = list(_last(tiles_of(newest.size))), list(_last(bundles_of(newest.size)))
        self._progress = Progress(sum(1 for _ in tiles_of(newest.size)) + sum(1 for _ in bundles_of(newest.size)))
        await _few_at_once(self._tile(tile) for tile in tiles_of(newest.size))
        await _few_at_once(self._bundle(bundle) for bundle in bundles_of(newest.size))
        await self._checkpoints(newest.size)
        current = {path_of(one) for one in (*tiles, *bundles)}
        self._folder.drop_partial(lambda path: path in current)
        self._folder.write(CHECKPOINT, note.encode())
        return self._progress

    def _claim(self, newest: Checkpoint) -> None:
        origin = self._folder.origin()
        if origin is None:
            self._folder.begin(newest.origin)
        elif origin != newest.origin:
            raise ExportRefusedError(f"it holds an export of {origin}, this is {newest.origin}")
        before = self._folder.read(CHECKPOINT)
        if before is None:
            return
        try:
            old = Checkpoint.parse(parse_note(before).text)
        except MalformedError as odd:
            raise ExportRefusedError(f"its checkpoint cannot be read: {odd}") from None
        if old.origin != newest.origin:
            raise ExportRefusedError(f"it holds an export of {old.origin}, this is {newest.origin}")
        if old.size > newest.size:
            raise ExportRefusedError(f"it holds {old.size} entries, the log only {newest.size}: it was cut off")

    async def _tile(self, tile: TileId) -> None:
        path = path_of(tile)
        if self._folder.size_of(path) == tile.size_bytes:
            self._done(kept=1)
            return
        try:
            self._folder.write(path, tile.check(await self._files.read(path)))
        except NoSuchFileError:
            self._done(damaged=1)
        else:
            self._done(written=1)

    async def _bundle(self, bundle: BundleId) -> None:
        path = path_of(bundle)
        content = self._folder.read(path)
        leaves = None if content is None else _leaves(content, bundle)
        if leaves is not None:
            self._done(kept=1)
        else:
            try:
                content = await self._files.read(path)
            except NoSuchFileError:
                self._done(gone=1)
                return
            leaves = _leaves(content, bundle)
            self._folder.write(path, content)
            self._done(written=1, damaged=leaves is None)
        for digest in filter(None, map(body_named_in, leaves or [])):
            await self._body(digest)

    async def _body(self, digest: str) -> None:
        path = path_of(Body(digest))
        if self._folder.size_of(path) is not None:
            return
        content = await self._files.read(path)
        if sha256(content).hexdigest() != digest:
            raise MalformedTileError(f"{path}: the log gave bytes of another digest")
        self._folder.write(path, content)
        self._progress.bodies += 1

    async def _checkpoints(self, size: int) -> None:
        """Write the last kept checkpoint of each hour; those that came without a cosignature are asked for again."""
        index = (await self._files.read(path_of(CheckpointIndex()))).decode()
        for kept in _hourly(index, size):
            path = path_of(KeptCheckpoint(kept))
            before = self._folder.read(path)
            if before is None or len(parse_note(before).signatures) == 1:
                self._folder.write(path, await self._files.read(path))
                self._progress.checkpoints += 1

    def _done(self, *, written: int = 0, kept: int = 0, gone: int = 0, damaged: int = 0) -> None:
        progress = self._progress
        progress.done += 1
        progress.written += written
        progress.kept += kept
        progress.gone += gone
        progress.damaged += damaged
        self._on_progress(progress)


def _last(ids: Iterable[TileId | BundleId]) -> Iterator[TileId | BundleId]:
    """Keep the partial ones."""
    return (one for one in ids if one.width < 256)


def _leaves(content: bytes, bundle: BundleId) -> list[bytes] | None:
    try:
        return decode_bundle(content, bundle.width)
    except MalformedTileError:
        return None


def _hourly(index: str, size: int) -> Iterator[int]:
    """Take the last of each hour from lines of size and time, in order of size, up to a size."""
    hour, last = "", None
    for line in index.splitlines():
        kept, _, signed_at = line.partition(" ")
        if int(kept) > size:
            break
        now = datetime.fromisoformat(signed_at).strftime("%Y-%m-%dT%H")
        if last is not None and now != hour:
            yield last
        hour, last = now, int(kept)
    if last is not None:
        yield last


async def _few_at_once(jobs: Iterable[Awaitable[None]]) -> None:
    """Run them, AT_ONCE at a time; the first that fails ends all."""
    running: set[asyncio.Future[None]] = set()
    try:
        for job in jobs:
            if len(running) >= AT_ONCE:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
            running.add(asyncio.ensure_future(job))
        for one in asyncio.as_completed(running):
            await one
    finally:
        for one in running:
            one.cancel()
