"""What the processes read from files: keys and lists."""

import hmac
import stat
from functools import partial
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final
from uuid import UUID

import uuid_utils

from yoyaku.booking.settings import PACKAGE
from yoyaku.booking.usecases.ports.chance import Digest

_KEY_BYTES: Final = 32


class KeyFileError(Exception):
    """A file with a key cannot be used."""


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def read_common_passwords() -> frozenset[str]:
    """Return the often used passwords that are refused, in lower case."""
    text = resources.files(PACKAGE).joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def read_digest(path: Path) -> Digest:
    """Return the keyed hash whose key is in the file. Raises KeyFileError."""
    return partial(_digest, read_key(path))


def read_key(path: Path) -> bytes:
    """Return the 32 bytes that the file holds in hex. Raises KeyFileError when others may read it or it is no key."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{path} is readable by group or others; it must be mode 0600")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyFileError(f"{path} holds no key in hex") from error
    if len(key) != _KEY_BYTES:
        raise KeyFileError(f"{path} holds {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()
