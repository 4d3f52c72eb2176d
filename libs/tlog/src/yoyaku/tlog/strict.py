"""Reading base64 and integers in their one canonical form, so that no two texts mean the same.

Each function takes the error to raise and a name for what is read, for the message.
"""

import base64
import binascii
import re
from typing import Final

from yoyaku.tlog.errors import MalformedError, shown

HASH_BYTES: Final = 32
"""Length of a SHA-256 hash."""

LARGEST_SIZE: Final = 2**63 - 1
"""The largest tree size, index or time that is read: the largest of a signed 64-bit integer, as elsewhere."""

_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def to_base64(data: bytes) -> str:
    """Encode in standard base64 with padding. Source: RFC 4648, section 4."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, error: type[MalformedError], what: str) -> bytes:
    """Decode standard base64 in its canonical form. Raises `error`.

    White space, missing padding and stray bits at the end are refused (RFC 4648, sections 3.3 and 3.5).
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise error(f"{what}: not standard base64: {shown(text)}") from None
    if to_base64(data) != text:
        raise error(f"{what}: not canonical base64: {shown(text)}")
    return data


def hash_from_base64(text: str, error: type[MalformedError], what: str) -> bytes:
    """Decode a SHA-256 hash in base64. Raises `error`."""
    data = from_base64(text, error, what)
    if len(data) != HASH_BYTES:
        raise error(f"{what}: a hash has {HASH_BYTES} bytes, this one has {len(data)}")
    return data


def integer(text: str, error: type[MalformedError], what: str) -> int:
    """Read an ASCII decimal from 0 to LARGEST_SIZE without sign or leading zeros. Raises `error`."""
    if not _INTEGER.fullmatch(text):
        raise error(f"{what}: not a decimal number without sign and leading zeros, or too large: {shown(text)}")
    value = int(text)
    if value > LARGEST_SIZE:
        raise error(f"{what}: larger than {LARGEST_SIZE}: {text}")
    return value


def text_from(data: bytes | str, error: type[MalformedError], what: str, largest_bytes: int) -> str:
    """Decode UTF-8 of at most `largest_bytes`, without control characters other than newline. Raises `error`."""
    if len(data) > largest_bytes:
        raise error(f"{what}: longer than {largest_bytes} bytes")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        text.encode("utf-8")
    except UnicodeDecodeError as invalid:
        raise error(f"{what}: not UTF-8 at byte {invalid.start}") from None
    except UnicodeEncodeError:
        raise error(f"{what}: holds a lone surrogate") from None
    if stray := _CONTROL.search(text):
        raise error(f"{what}: control character {stray.group()!r} at character {stray.start()}")
    return text


_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
