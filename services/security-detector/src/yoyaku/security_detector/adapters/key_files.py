"""Keys of the witness, and of the log that it trusts, from files: one a line, 32 bytes in hexadecimal each."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loguru import logger

_KEY_BYTES: Final = 32
_MOST_KEYS: Final = 16


class KeyFileError(Exception):
    """A file of keys cannot be used; the message says which and why, and shows nothing of it."""


def read_seeds(path: Path) -> list[bytes]:
    """Read private keys (Ed25519 seeds, RFC 8032). Raises KeyFileError, also when others than the owner may read it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"{path} is readable by group or others; it must be mode 0600")
    return read_public_keys(path)


def read_public_keys(path: Path) -> list[bytes]:
    """Read 1 to 16 keys of 32 bytes. Raises KeyFileError with the number of the line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValueError:
        raise KeyFileError(f"{path} holds other bytes than hexadecimal digits") from None
    keys = [_key(path, number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not 1 <= len(keys) <= _MOST_KEYS:
        raise KeyFileError(f"{path} holds {len(keys)} keys instead of 1 to {_MOST_KEYS}")
    return keys


def _key(path: Path, number: int, line: str) -> bytes:
    try:
        key = bytes.fromhex(line)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise KeyFileError(f"{path}, line {number}: not {_KEY_BYTES} bytes in hexadecimal")
    return key


class FollowedKeys:
    """The keys of a file, read again when it has changed: keys rotate without a restart."""

    def __init__(self, path: Path, read: Callable[[Path], list[bytes]]) -> None:
        """`read` is `read_seeds` or `read_public_keys`. Raises KeyFileError."""
        self._path = path
        self._read = read
        self._keys = read(path)
        self._state = _state(path)

    def __call__(self) -> list[bytes]:
        """Return the keys as they are in the file now; those known before, if it became unreadable."""
        state = _state(self._path)
        if state != self._state:
            self._state = state
            try:
                self._keys = self._read(self._path)
            except KeyFileError as error:
                logger.bind(cause=str(error)).error("keys could not be read again, those known stay in use")
        return self._keys


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
