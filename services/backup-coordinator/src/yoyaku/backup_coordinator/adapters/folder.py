"""Backups in a local folder: `<run id>.partial` while one is taken, `<run id>` once it is proven.

Invariant: a final name is given by one rename after every byte was read back and everything was flushed; only what
belongs to a run that failed is ever removed.
"""

import asyncio
import hashlib
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Final

from loguru import logger

from yoyaku.backup_coordinator import telemetry
from yoyaku.backup_coordinator.domain.manifest import ListedFile, ManifestError, compare, is_listed
from yoyaku.backup_coordinator.domain.run import PARTIAL_SUFFIX, Run, RunPlaces, Taken
from yoyaku.backup_coordinator.usecases.ports import BackupFailedError
from yoyaku.backup_coordinator.verify import (
    BASE_FOLDER,
    RECORD_NAME,
    Record,
    VerificationStoppedError,
    found_files,
    is_beside_manifest,
    missing_wal,
    read_manifest,
    record_as_bytes,
)

_FOLDER_MODE: Final = 0o700
_RUN_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FolderOfBackups:
    """One folder on one file system."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self, run_id: str) -> str:
        """Make the workspace of a run. Raises BackupFailedError."""
        places = RunPlaces.of(self._directory, run_id)
        try:
            self._directory.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            Path(places.partial).mkdir(mode=_FOLDER_MODE)
        except OSError as error:
            raise BackupFailedError(f"the backup folder cannot be made: {error.strerror}") from error
        return str(places.partial)

    def problem(self) -> str | None:
        """Say why backups could not be written here, if so; a folder that is not there yet is made by the first run."""
        nearest = next(place for place in (self._directory, *self._directory.absolute().parents) if place.exists())
        return None if os.access(nearest, os.W_OK | os.X_OK) else "the backup folder cannot be written"

    async def prove(self, run: Run) -> Taken:
        """Read every file back, check it, write the record beside, flush. Raises BackupFailedError."""
        stop = threading.Event()
        with telemetry.TRACER.start_as_current_span(telemetry.PROVE_SPAN):
            proving = asyncio.get_running_loop().run_in_executor(None, self._prove, run, stop)
            try:
                return await asyncio.shield(proving)
            except asyncio.CancelledError:
                stop.set()
                await asyncio.gather(proving, return_exceptions=True)
                raise

    def publish(self, run_id: str) -> None:
        """Give a run its final name; nothing happens when it has it. Raises BackupFailedError."""
        places = RunPlaces.of(self._directory, run_id)
        partial, final = Path(places.partial), Path(places.final)
        if final.exists() and not partial.exists():
            return
        try:
            partial.rename(final)
            _flush(self._directory)
        except OSError as error:
            raise BackupFailedError(f"the backup could not get its final name: {error.strerror}") from error

    async def discard(self, run_id: str) -> None:
        """Remove what a failed run left; what cannot be removed is logged, and tried again by the next leader."""
        await asyncio.to_thread(self._remove, run_id)

    def present(self) -> list[str]:
        """Return the ids of the runs of which there is a folder, finished or not."""
        if not self._directory.is_dir():
            return []
        names = (place.name.removesuffix(PARTIAL_SUFFIX) for place in self._directory.iterdir() if place.is_dir())
        return sorted({name for name in names if _RUN_ID.fullmatch(name)})

    def _remove(self, run_id: str) -> None:
        places = RunPlaces.of(self._directory, run_id)
        for place in (Path(places.partial), Path(places.final)):
            if place.exists():
                shutil.rmtree(place, ignore_errors=True)
            if place.exists():
                logger.bind(run_id=run_id).warning("leftovers of a failed backup could not be removed")

    def _prove(self, run: Run, stop: threading.Event) -> Taken:
        try:
            return self._prove_or_raise(run, stop)
        except ManifestError as error:
            raise BackupFailedError(f"the manifest cannot be believed: {error}") from error
        except OSError as error:
            raise BackupFailedError(f"the backup could not be read back: {error.strerror}") from error
        except VerificationStoppedError as error:
            raise BackupFailedError("it was stopped") from error

    def _prove_or_raise(self, run: Run, stop: threading.Event) -> Taken:
        places = RunPlaces.of(self._directory, run.run_id)
        partial = Path(places.partial)
        base = partial / BASE_FOLDER
        manifest, manifest_sha256 = read_manifest(base)
        damage = next(compare(manifest.files, found_files(base, is_listed, stop)), None) or next(
            missing_wal(base, manifest), None
        )
        if damage is not None:
            raise BackupFailedError(f"the backup is damaged: {damage}")
        beside = {}
        for file in found_files(base, is_beside_manifest, stop):
            if file.sha256 is None:
                raise BackupFailedError(f"the backup could not be read back: {file.path}: {file.problem}")
            beside[file.path] = ListedFile(file.path, file.size_bytes, file.sha256)
        record = record_as_bytes(Record(run.run_id, run.kind.value, manifest_sha256, beside))
        _write(partial / RECORD_NAME, record)
        _flush(partial)
        sizes = [file.size_bytes for file in (*manifest.files.values(), *beside.values())]
        return Taken(
            directory=places.final.name,
            size_bytes=sum(sizes),
            file_count=len(sizes),
            manifest_sha256=manifest_sha256,
            record_sha256=hashlib.sha256(record).hexdigest(),
        )


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
