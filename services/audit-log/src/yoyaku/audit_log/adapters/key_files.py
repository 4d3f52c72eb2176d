"""Keys in files: 32 bytes in hexadecimal each, readable by their owner alone."""

import stat
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


class KeyFileError(ValueError):
    """A file with a key cannot be used; the message says which and why, and never shows a key."""


def read_private(path: Path, what: str) -> str:
    """Read a text that only its owner may read. Raises KeyFileError."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{what} {path}: others can read it; its mode must be 0600")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise KeyFileError(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{what} {path}: is not ASCII") from None


def key_from(text: str, what: str) -> bytes:
    """Read 64 hexadecimal digits. Raises KeyFileError, whose message begins with `what`."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or len(text) != 2 * KEY_BYTES:
        raise KeyFileError(f"{what}: not {2 * KEY_BYTES} hexadecimal digits")
    return key


def read_key(path: Path, what: str) -> bytes:
    """Read the one key of a file. Raises KeyFileError."""
    return key_from(read_private(path, what).strip(), f"{what} {path}")
