"""One running system a data folder.

Invariant: the kernel holds the lock for the process, so it ends with it, kill -9 included; the text in the file says
who holds it and is believed only while the lock is held.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

_NAME = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs a system on a data folder; `since` is UTC, ISO 8601."""

    pid: int
    port: int
    since: str


class DataInUseError(Exception):
    """Another process runs a system on the same data."""

    def __init__(self, data_dir: Path, holder: Holder | None) -> None:
        who = (
            f"process {holder.pid} since {holder.since}, gateway on port {holder.port}" if holder else "another process"
        )
        super().__init__(f"the data in {data_dir} is in use by {who}")
        self.holder = holder


class DataLock:
    """The right to run a system on a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file = data_dir / _NAME
        self._descriptor: int | None = None

    def take(self, port: int) -> Self:
        """Take the lock. Raises DataInUseError that says who holds it."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DataInUseError(self._data_dir, _read(self._file)) from None
        self._descriptor = descriptor
        self.name_port(port)
        return self

    def name_port(self, port: int) -> None:
        """Write down who we are and the gateway's port."""
        if self._descriptor is None:
            return
        holder = Holder(os.getpid(), port, datetime.now(UTC).isoformat(timespec="seconds"))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(asdict(holder)).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Return the lock that was taken."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()


def holder_of(data_dir: Path) -> Holder | None:
    """Return who runs a system on `data_dir` right now, None when nobody does."""
    file = data_dir / _NAME
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file) or Holder(0, 0, "")
    finally:
        os.close(descriptor)
    return None


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
