"""The log's signing keys in a file: Ed25519 seeds, one a line, 32 bytes in hexadecimal each (RFC 8032).

All of them sign: keys rotate by adding one, telling verifiers of it, and then retiring the old one. The file is read
again when it has changed, so that a rotation needs no restart. Public keys of retired ones stand in a file beside, for
ever: without them what they signed would look forged. A file of the public keys beside (`.pub`), by which the witness
knows the log, follows the seeds.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loguru import logger

from yoyaku.audit_log.adapters.key_files import KeyFileError, key_from, read_private
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey

MOST_KEYS: Final = 16
"""So many signatures of one note every reader of C2SP signed-note must take."""
WHAT: Final = "signing keys"
RETIRED: Final = "retired public keys"


class SigningKeysFile:
    """The signing keys as they stand in a file."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises KeyFileError."""
        self._path = path
        self._state = _state(path)
        self._seeds = read_seeds(path)
        self._keys: dict[str, Sequence[SigningKey]] = {}

    def of(self, origin: str) -> Sequence[SigningKey]:
        """Return the keys under the name of an origin, at least one, in the order of the file.

        Should the file have become unreadable, the keys that were there before go on signing.
        """
        self._follow()
        keys = self._keys.get(origin)
        if keys is None:
            keys = self._keys[origin] = [SigningKey(origin, seed) for seed in self._seeds]
        return keys

    def verifiers(self, origin: str) -> Sequence[VerifierKey]:
        """Return the public keys of all that ever signed: those that sign now, then the retired ones.

        Raises KeyFileError when the file of the retired ones cannot be read.
        """
        signing = [key.verifier for key in self.of(origin)]
        return [*signing, *(key for key in retired_keys(self._path, origin) if key not in signing)]

    def _follow(self) -> None:
        try:
            state = _state(self._path)
            if state == self._state:
                return
            self._state = state
            seeds = read_seeds(self._path)
        except KeyFileError as error:
            logger.bind(cause=str(error)).error("the signing keys could not be read again; those known go on signing")
            return
        if seeds != self._seeds:
            logger.bind(keys=len(seeds)).info("the signing keys have changed")
            self._seeds = seeds
            self._keys.clear()


def read_seeds(path: Path) -> list[bytes]:
    """Read the seeds of a file. Raises KeyFileError."""
    lines = read_private(path, WHAT).splitlines()
    seeds = [
        key_from(line.strip(), f"{WHAT} {path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not 1 <= len(seeds) <= MOST_KEYS:
        raise KeyFileError(f"{WHAT} {path}: 1 to {MOST_KEYS} keys are needed, here are {len(seeds)}")
    if len(set(seeds)) != len(seeds):
        raise KeyFileError(f"{WHAT} {path}: the same key stands there twice")
    return seeds


def write_seeds(path: Path, seeds: Sequence[bytes]) -> None:
    """Put seeds in place of those of a file, all or none, with mode 0600. Raises OSError."""
    _write(path, [seed.hex() for seed in seeds])


def write_public_keys(path: Path, seeds: Sequence[bytes]) -> bool:
    """Put the public keys of seeds in place of those in the file beside, and keep its mode; False if there is none.

    Raises OSError.
    """
    file = public_keys_file(path)
    if not file.exists():
        return False
    keys = [SigningKey("public", seed).verifier.public_key.hex() for seed in seeds]
    _write(file, keys, mode=stat.S_IMODE(file.stat().st_mode))
    return True


def public_keys_file(path: Path) -> Path:
    """Return where the public keys of a file of seeds stand, if anywhere: `x.pub` beside `x.keys`."""
    return path.with_name(f"{path.name.removesuffix('.keys')}.pub")


def retired_keys(path: Path, origin: str) -> list[VerifierKey]:
    """Read the public keys that were retired from a file of seeds, under the name of an origin. Raises KeyFileError."""
    return [VerifierKey(origin, Algorithm.ED25519, key) for key in _read_retired(path)]


def keep_retired(path: Path, public_key: bytes) -> None:
    """Keep the public key of one that is retired from a file of seeds. Raises KeyFileError, OSError."""
    known = _read_retired(path)
    if public_key not in known:
        _write(_retired_file(path), [key.hex() for key in (*known, public_key)])


def _read_retired(path: Path) -> list[bytes]:
    file = _retired_file(path)
    if not file.exists():
        return []
    lines = read_private(file, RETIRED).splitlines()
    return [key_from(line.strip(), f"{RETIRED} {file}, line {number}") for number, line in enumerate(lines, 1)]


def _retired_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.retired")


def _write(path: Path, lines: Sequence[str], *, mode: int = 0o600) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, mode)
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise KeyFileError(f"{WHAT} {path}: {error.strerror}") from None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
