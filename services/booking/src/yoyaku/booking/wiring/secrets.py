"""What the processes read from files: keys and lists."""

import hmac
import stat
from functools import partial
from hashlib import sha256
from importlib import resources
from pathlib import Path
from uuid import UUID

import uuid_utils

from yoyaku.booking.settings import PACKAGE
from yoyaku.booking.usecases.ports.chance import Digest


class DigestKeyError(Exception):
    """The file with the key of the digests cannot be used."""


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def read_common_passwords() -> frozenset[str]:
    """Return the often used passwords that are refused, in lower case."""
    text = resources.files(PACKAGE).joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def read_digest(path: Path) -> Digest:
    """Return the keyed hash whose key is in the file. Raises DigestKeyError when others may read it or it is no key."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DigestKeyError(f"{path} is readable by group or others; it must be mode 0600")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise DigestKeyError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DigestKeyError(f"{path} holds no key in hex") from error
    if len(key) < 32:
        raise DigestKeyError(f"{path} holds fewer than 32 bytes")
    return partial(_digest, key)


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()
