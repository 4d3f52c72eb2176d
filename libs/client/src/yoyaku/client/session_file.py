"""The session of a person at the command line: one file a gateway, in the platform's folder for configuration.

Invariant: only its owner can read the file (0600 from its first byte), a reader sees the old session or the new one and
never a half, and one process at a time changes it.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import platformdirs
from filelock import AsyncFileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from yoyaku.client.errors import SessionStoreError
from yoyaku.client.sessions import Session

OWNER_ONLY_FILE: Final = 0o600
OWNER_ONLY_FOLDER: Final = 0o700
LOCK_SECONDS: Final = 30.0
"""Longer than a refresh may take."""
_VERSION: Final = 1
_KEPT: Final = TypeAdapter(Session)


def default_folder() -> Path:
    """Return where the platform keeps a person's configuration of this program."""
    return platformdirs.user_config_path("yoyaku", appauthor=False) / "sessions"


class FileSessions:
    """Keeps the session of one gateway address in a file."""

    def __init__(self, base_url: str, folder: Path | None = None) -> None:
        self._url = base_url.rstrip("/")
        digest = hashlib.sha256(self._url.encode()).hexdigest()[:16]
        self.path = (folder or default_folder()) / f"{digest}.json"

    def load(self) -> Session | None:
        """Return the kept session; None when there is none, or a file that is not ours to understand."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", error) from None
        try:
            return _KEPT.validate_json(text)
        except ValidationError:
            return None

    def save(self, session: Session) -> None:
        """Write the session beside the old file and put it in its place."""
        try:
            self._prepare_folder()
            handle, name = tempfile.mkstemp(prefix=".session-", dir=self.path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    # mkstemp makes it 0600 before anything is in it.
                    json.dump({"version": _VERSION, "url": self._url, **_plain(session)}, file)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise self._failed("write", error) from None

    def clear(self) -> None:
        """Remove the file."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed("remove", error) from None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock file beside the session; the system lets go of it when a process dies."""
        try:
            self._prepare_folder()
            lock = AsyncFileLock(
                self.path.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=OWNER_ONLY_FILE, run_in_executor=False
            )
            await lock.acquire()
        except Timeout:
            raise SessionStoreError(f"another program holds {self.path.with_suffix('.lock')}") from None
        except OSError as error:
            raise self._failed("lock", error) from None
        try:
            yield
        finally:
            await lock.release()

    def _prepare_folder(self) -> None:
        self.path.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)

    def _failed(self, verb: str, error: OSError) -> SessionStoreError:
        return SessionStoreError(f"cannot {verb} {self.path}: {error.strerror or type(error).__name__}")


def _plain(session: Session) -> dict[str, Any]:
    refresh = session.refresh_token
    return {
        "user_id": session.user_id,
        "access_token": session.access_token.get_secret_value(),
        "expires_at": session.expires_at.isoformat(),
        "refresh_token": None if refresh is None else refresh.get_secret_value(),
        "refresh_expires_at": _text(session.refresh_expires_at),
        "refresh_sent_at": _text(session.refresh_sent_at),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
