"""The signing keys as `yoyaku audit keys` lists and changes them."""

from collections.abc import Sequence
from pathlib import Path

from yoyaku.audit_log.adapters.key_files import KeyFileError as KeyFileError
from yoyaku.audit_log.adapters.signing_keys import (
    MOST_KEYS,
    WHAT,
    keep_retired,
    public_keys_file,
    read_seeds,
    retired_keys,
    write_public_keys,
    write_seeds,
)
from yoyaku.tlog.keys import SigningKey, VerifierKey


class KeyNotRetiredError(Exception):
    """The key cannot be retired; the message says why."""


def verifier_keys(path: Path, origin: str) -> Sequence[VerifierKey]:
    """Return the public keys of a file under the name of an origin, in the order of the file. Raises KeyFileError."""
    return [SigningKey(origin, seed).verifier for seed in read_seeds(path)]


def retired_verifier_keys(path: Path, origin: str) -> Sequence[VerifierKey]:
    """Return the public keys that were retired from a file, under the name of an origin. Raises KeyFileError."""
    return retired_keys(path, origin)


def file_for_witness(path: Path) -> Path | None:
    """Return the file of public keys that follows a file of seeds, None when there is none."""
    file = public_keys_file(path)
    return file if file.exists() else None


def add_key(path: Path, origin: str) -> VerifierKey:
    """Add a new key to a file. It signs from now on, beside those that are there. Raises KeyFileError, OSError.

    The public keys beside are written first: the witness knows the key before it signs.
    """
    seeds = read_seeds(path)
    if len(seeds) >= MOST_KEYS:
        raise KeyFileError(f"{WHAT} {path}: there are {MOST_KEYS} keys already; retire one first")
    key = SigningKey.generate(origin)
    write_public_keys(path, [*seeds, key.seed])
    write_seeds(path, [*seeds, key.seed])
    return key.verifier


def retire_key(path: Path, origin: str, key_id: int) -> VerifierKey:
    """Take a key out of a file. It signs no more, and its seed is gone; notes that it signed stay valid.

    Its public key is kept in the file beside that ends in `.retired`, before the seed goes; from that of the public
    keys it goes after the seed.

    Raises KeyNotRetiredError when there is no such key or it is the only one, KeyFileError, OSError.
    """
    seeds, keys, retired = _to_retire(path, origin, key_id)
    staying = [seed for seed, key in zip(seeds, keys, strict=True) if key != retired]
    keep_retired(path, retired.public_key)
    write_seeds(path, staying)
    write_public_keys(path, staying)
    return retired


def staying_keys(path: Path, origin: str, key_id: int) -> Sequence[VerifierKey]:
    """Return the keys that would sign once that one is retired, at least one. Raises as `retire_key` does."""
    _, keys, retired = _to_retire(path, origin, key_id)
    return [key for key in keys if key != retired]


def _to_retire(path: Path, origin: str, key_id: int) -> tuple[list[bytes], list[VerifierKey], VerifierKey]:
    seeds = read_seeds(path)
    keys = [SigningKey(origin, seed).verifier for seed in seeds]
    retired = next((key for key in keys if key.key_id == key_id), None)
    if retired is None:
        known = ", ".join(f"{key.key_id:08x}" for key in keys)
        raise KeyNotRetiredError(f"no key of {origin} has the id {key_id:08x}; there are {known}")
    if len(keys) == 1:
        raise KeyNotRetiredError("it is the only key: add another one first (yoyaku audit keys new)")
    return seeds, keys, retired
