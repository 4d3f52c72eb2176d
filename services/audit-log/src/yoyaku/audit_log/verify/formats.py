"""The formats: signed notes and checkpoints, the Merkle tree, the files of an export; not what entries say.

Sources: RFC 6962 section 2.1; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles.
"""

import base64
import binascii
import os
import re
import stat
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH: Final = 256
HASH: Final = 32
LOG_SIGNATURE: Final = 0x01
COSIGNATURE: Final = 0x04
NOTE_LIMIT: Final = 1 << 20
MOST_SIGNATURES: Final = 100
BUNDLE_LIMIT: Final = WIDTH * (2 + 65_535)
SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class InputError(Exception):
    """What was given cannot be used: a wrong option, no export, or nothing that the given keys have signed."""


class DamageError(Exception):
    """A file of the log is not what it must be."""


class UnknownSignerError(DamageError):
    """No key that was given has signed this."""


# ---------------------------------------------------------------------------------- Signed notes and checkpoints


def decode_base64(text: str) -> bytes:
    """Decode standard base64 with padding. Raises DamageError for anything else."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DamageError(f"{text[:80]!r} is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise DamageError(f"{text[:80]!r} is not canonical base64")
    return decoded


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key of the log (type 0x01) or of a witness (type 0x04). Source: C2SP signed-note, "Verifier keys"."""

    name: str
    id: bytes
    kind: int
    public: Ed25519PublicKey

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}"

    @classmethod
    def parse(cls, text: str, kind: int) -> "Key":
        """Read `name+hex(id)+base64(type || 32 bytes)`. Raises InputError, also when its id or type does not fit."""
        parts = text.strip().split("+", 2)
        what = {LOG_SIGNATURE: "a log's key (Ed25519, type 1)", COSIGNATURE: "a witness's key (cosignature/v1, type 4)"}
        try:
            name, key_id, material = parts[0], bytes.fromhex(parts[1]), decode_base64(parts[2])
        except (IndexError, ValueError, DamageError):
            raise InputError(f"not a verifier key (name+id+base64): {text.strip()[:120]!r}") from None
        if not name or len(key_id) != 4 or len(material) != HASH + 1:
            raise InputError(f"not a verifier key of 32 bytes with a name: {text.strip()[:120]!r}")
        if material[0] != kind:
            raise InputError(f"{name}: a key of type {material[0]}, where {what[kind]} is needed")
        if sha256(name.encode() + b"\n" + material).digest()[:4] != key_id:
            raise InputError(f"{name}: the key's id does not fit its name and bytes; was it copied whole?")
        return cls(name, key_id, kind, Ed25519PublicKey.from_public_bytes(material[1:]))

    def verify(self, signature: bytes, text: str) -> int | None:
        """Return the time of a cosignature, None for a log's signature. Raises DamageError if it does not verify."""
        when, message = None, text
        if self.kind == COSIGNATURE:
            when, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = f"cosignature/v1\ntime {when}\n{text}"
        try:
            self.public.verify(signature, message.encode())
        except InvalidSignature:
            raise DamageError(f"the signature by {self} does not verify") from None
        return when


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log said, under verified signatures: the tree of `origin` with `size` leaves has this `root`."""

    where: str
    origin: str
    size: int
    root: bytes
    signed_by: tuple[str, ...]
    cosigned_by: tuple[tuple[str, int], ...]

    @property
    def signers(self) -> str:
        """Name who vouches for it."""
        return ", ".join([*self.signed_by, *(f"{name} at {utc(when)}" for name, when in self.cosigned_by)])


class Trust:
    """The keys that are believed."""

    def __init__(self, keys: Sequence[Key], witnesses: Sequence[Key] = ()) -> None:
        self._origins = sorted({key.name for key in keys})
        self.witnesses = [str(key) for key in witnesses]
        self._keys = {(key.name, key.id): key for key in (*keys, *witnesses)}

    def open(self, data: bytes, where: str) -> Checkpoint:
        """Return the checkpoint of a note, once every signature by a known key has verified.

        Raises DamageError, and UnknownSignerError when no known key has signed. Source: C2SP signed-note and
        tlog-checkpoint.
        """
        try:
            text, lines = _parts_of_note(data)
            origin, size, root = _fields_of_checkpoint(text)
            signed: list[str] = []
            cosigned: list[tuple[str, int]] = []
            for name, signature in map(_signature, lines):
                key = self._keys.get((name, signature[:4]))
                if key is not None:
                    when = key.verify(signature[4:], text)
                    if when is not None:
                        cosigned.append((str(key), when))
                    elif name == origin:
                        signed.append(str(key))
            if origin not in self._origins:
                raise UnknownSignerError(f"it is of the log {origin!r}, the keys are of {self._origins}")
            if not signed and not cosigned:
                names = ", ".join(repr(line.split(" ")[1]) for line in lines[:4])
                raise UnknownSignerError(f"no signature by a key that was given (signed by {names})")
        except DamageError as error:
            raise type(error)(f"{where}: {error}") from None
        return Checkpoint(where, origin, size, root, tuple(signed), tuple(cosigned))


def names_of(data: bytes) -> set[str]:
    """Return which keys a note bears lines of, as `Key` is written; nothing is verified. Empty for what is no note."""
    try:
        return {f"{name}+{signature[:4].hex()}" for name, signature in map(_signature, _parts_of_note(data)[1])}
    except DamageError:
        return set()


def _parts_of_note(data: bytes) -> tuple[str, list[str]]:
    try:
        note = data.decode()
    except UnicodeDecodeError:
        raise DamageError("not a signed note: not UTF-8") from None
    if any(ord(character) < 0x20 and character != "\n" for character in note):
        raise DamageError("not a signed note: it holds control characters")
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not text or not signatures.endswith("\n"):
        raise DamageError("not a signed note: no text, an empty line and signature lines")
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise DamageError(f"not a signed note: {len(lines)} signatures, more than {MOST_SIGNATURES}")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not parts[1] or "+" in parts[1]:
        raise DamageError(f"not a signature line: {line[:80]!r}")
    signature = decode_base64(parts[2])
    if len(signature) < 5:
        raise DamageError(f"the signature of {parts[1]!r} is too short")
    return parts[1], signature


def _fields_of_checkpoint(text: str) -> tuple[str, int, bytes]:
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise DamageError("not a checkpoint: origin, size and root are wanted on three lines")
    if not SIZE.fullmatch(lines[1]) or int(lines[1]) >= 1 << 63:
        raise DamageError(f"not a checkpoint: {lines[1][:40]!r} is not a tree size")
    root = decode_base64(lines[2])
    if len(root) != HASH:
        raise DamageError(f"not a checkpoint: a root of {len(root)} bytes")
    return lines[0], int(lines[1]), root


# ---------------------------------------------------------------------------------- The tree: RFC 6962 section 2.1


def leaf_of(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def peaks_of(row: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the perfect trees over a row of hashes, the rightmost and smallest first."""
    found = []
    while row:
        if len(row) % 2:
            found.append(row[-1])
        pairs = iter(row[: len(row) & ~1])
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return found


def _root(rows: Iterable[Sequence[bytes]]) -> bytes:
    """Return the root over the hashes of a tree's right edge, given level by level from the leaves."""
    root = None
    for peak in chain.from_iterable(map(peaks_of, rows)):
        root = peak if root is None else _node(peak, root)
    return sha256(b"").digest() if root is None else root


class Tree:
    """The tree over a stream of full tiles; holds only the unfinished tile of each level above them."""

    def __init__(self, finished: Callable[[int, int, list[bytes]], None] | None = None) -> None:
        self._finished = finished
        self._made: list[int] = []
        self.rows: list[list[bytes]] = []

    def add(self, tile: list[bytes]) -> None:
        """Add the next tile of 256 hashes; tiles that this completes above are handed to `finished`."""
        for level in range(65):
            if level == len(self.rows):
                self.rows.append([])
                self._made.append(0)
            row = self.rows[level]
            row.append(peaks_of(tile)[0])
            if len(row) < WIDTH:
                return
            if self._finished:
                self._finished(level + 1, self._made[level], row)
            self._made[level] += 1
            tile, self.rows[level] = row, []

    def root(self, *below: Sequence[bytes]) -> bytes:
        """Return the root with what follows the full tiles, from the leaves up."""
        return _root([*below, *self.rows])


def proven_root(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root to which an inclusion proof leads. Raises DamageError for its length.

    Source: RFC 9162 section 2.1.3.2.
    """
    at, last, root = index, size - 1, leaf_hash
    for sibling in proof:
        if not last:
            raise DamageError("the proof has too many hashes")
        if at & 1 or at == last:
            root = _node(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = _node(root, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise DamageError("the proof has too few hashes")
    return root


# ---------------------------------------------------------------------------------- The files: C2SP tlog-tiles


def tile_name(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return `tile/<L>/<N>[.p/<W>]`."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*("x" + part for part in parts[:-1]), parts[-1]])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


class Export:
    """Reads the files of an export; only regular files of bounded size, and no symbolic links."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a file's bytes, None where there is none. Raises DamageError for what is no plain file."""
        return read_file(self._directory / name, name, limit)

    def _read_tile(self, level: int | str, index: int, width: int, limit: int) -> tuple[bytes | None, bool]:
        """Return a tile's bytes, and whether the full tile stood in for a partial one (tlog-tiles allows that)."""
        data = self.read(tile_name(level, index, width), limit)
        if data is None and width < WIDTH:
            data = self.read(tile_name(level, index), limit)
            return data, data is not None
        return data, False

    def tile(self, level: int, index: int, width: int) -> list[bytes] | None:
        """Return the first `width` hashes of a tile; None where there is no file.

        Raises DamageError for another size.
        """
        data, stands_in = self._read_tile(level, index, width, WIDTH * HASH)
        if data is None:
            return None
        expected = WIDTH if stands_in else width
        if len(data) != expected * HASH:
            name = tile_name(level, index, expected)
            raise DamageError(f"{name}: {len(data)} bytes, where {expected} hashes take {expected * HASH}")
        return [data[at : at + HASH] for at in range(0, width * HASH, HASH)]

    def bundle(self, index: int, width: int) -> tuple[list[bytes], str] | None:
        """Return the entries of a bundle, also where they are fewer or more than `width`; None where there are none.

        The words beside them say why what follows cannot be read; they are empty where nothing follows.
        """
        try:
            data, stands_in = self._read_tile("entries", index, width, BUNDLE_LIMIT)
            if data is None:
                data = self._bundle_of_another_width(index)
        except DamageError as error:
            return [], str(error)
        if data is None:
            return None
        leaves: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            start = at + 2
            at = start + int.from_bytes(data[start - 2 : start], "big")
            if at > end:
                return leaves, f"entry {len(leaves)} of the bundle ends {at - end} bytes beyond its file"
            leaves.append(data[start:at])
        return (leaves[:width] if stands_in else leaves), ""

    def _bundle_of_another_width(self, index: int) -> bytes | None:
        """Return the widest of a bundle's files, so that what is left of the log can be looked at."""
        folder = tile_name("entries", index) + ".p"
        try:
            names = [file.name for file in (self._directory / folder).iterdir()]
        except OSError:
            return None
        widest = max((int(name) for name in names if SIZE.fullmatch(name)), default=None)
        return None if widest is None else self.read(f"{folder}/{widest}", BUNDLE_LIMIT)

    def kept(self) -> tuple["array[int]", int]:
        """Return the sizes of the kept checkpoints in order, and how many other files lie beside them."""
        sizes, others = array("q"), 0
        try:
            with os.scandir(self._directory / "checkpoints") as files:
                for file in files:
                    if SIZE.fullmatch(file.name) and int(file.name) < 1 << 63:
                        sizes.append(int(file.name))
                    else:
                        others += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            raise DamageError(f"checkpoints: {error.strerror}") from None
        return array("q", sorted(sizes)), others


def read_file(path: Path, name: str, limit: int) -> bytes | None:
    """Return the bytes of a regular file of at most `limit` bytes, None where there is none.

    Raises DamageError for symbolic links, folders, devices and larger files, InputError where it may not be read.
    """
    # Without blocking, since opening a pipe would wait for ever; the flags are not there on every system.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():
            raise DamageError(f"{name}: a symbolic link, where a file is wanted")
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except (OSError, ValueError) as error:
        raise DamageError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DamageError(f"{name}: no regular file")
        if status.st_size > limit:
            raise DamageError(f"{name}: {status.st_size} bytes, more than the {limit} that it can have")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def given_file(path: Path, limit: int) -> bytes:
    """Read a file that was named on the command line. Raises InputError."""
    try:
        data = read_file(path.resolve(), str(path), limit)
    except (DamageError, OSError, RuntimeError) as error:
        raise InputError(str(error)) from None
    if data is None:
        raise InputError(f"{path}: no such file")
    return data


def utc(seconds: int) -> str:
    """Write a POSIX time; also one that no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
