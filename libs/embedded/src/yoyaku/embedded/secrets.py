"""Generates every secret of an installation once, and keeps each in a file of its own.

Invariants: the folder is 0700 and each file 0600; a secret that exists is never replaced; a file appears whole or
not at all; no secret is ever an argument of a process or part of a log line, services are given paths.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nkeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

_PASSWORD_BYTES = 24
_KEY_BYTES = 32
_NKEY_BYTES = 32
_NKEYS: Any = nkeys
"""The library has no types."""


class SecretsFolder:
    """The secrets of one data folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def password_file(self, role: str) -> Path:
        """Return the file with the password of a database role (one line)."""
        return self._kept(f"{role}.password", lambda: secrets.token_urlsafe(_PASSWORD_BYTES))

    def password(self, role: str) -> SecretStr:
        """Return the password of a database role."""
        return SecretStr(self.password_file(role).read_text().strip())

    def has_password(self, role: str) -> bool:
        """Whether the password was made before."""
        return (self.folder / f"{role}.password").exists()

    def forget_password(self, role: str) -> None:
        """Delete a password for good; nothing happens when there is none."""
        (self.folder / f"{role}.password").unlink(missing_ok=True)

    def passwords(self, roles: Iterable[str]) -> dict[str, str]:
        """Return the passwords of database roles by role, as `bootstrap_cluster` takes them."""
        return {role: self.password(role).get_secret_value() for role in roles}

    def nkey_seed_file(self, user: str) -> Path:
        """Return the file with the nkey seed by which `user` proves itself to the bus."""
        return self._kept(f"{user}.nk", _new_nkey_seed)

    def nkey_public(self, user: str) -> str:
        """Return the public nkey of `user`, which the server's accounts block names."""
        pair = _NKEYS.from_seed(bytearray(self.nkey_seed_file(user).read_bytes().strip()))
        public: bytes = pair.public_key
        return public.decode()

    def nkeys_public(self, users: Iterable[str]) -> dict[str, str]:
        """Return the public nkeys of bus users by user."""
        return {user: self.nkey_public(user) for user in users}

    def key_encryption_key_file(self) -> Path:
        """Return the file with the key that seals the signing keys in the database (32 bytes, hexadecimal)."""
        return self._kept("key-encryption.key", lambda: secrets.token_hex(_KEY_BYTES))

    def digest_key_file(self) -> Path:
        """Return the file with the key of keyed hashes (32 bytes, hexadecimal)."""
        return self._kept("digest.key", lambda: secrets.token_hex(_KEY_BYTES))

    def audit_master_key_file(self) -> Path:
        """Return the file with the key that wraps the keys of personal fields (32 bytes, hexadecimal)."""
        return self._kept("audit-master.key", lambda: secrets.token_hex(_KEY_BYTES))

    def audit_digest_key_file(self) -> Path:
        """Return the file with the key of the audit log's keyed digests (32 bytes, hexadecimal)."""
        return self._kept("audit-digest.key", lambda: secrets.token_hex(_KEY_BYTES))

    def seeds_file(self, name: str) -> Path:
        """Return the file with Ed25519 seeds (RFC 8032), one a line, 32 bytes in hexadecimal each; one at first."""
        return self._kept(f"{name}.keys", lambda: secrets.token_hex(_KEY_BYTES))

    def public_keys_file(self, name: str) -> Path:
        """Return the file with the public keys of `seeds_file(name)` in the same order, 32 bytes in hexadecimal a line.

        It is written anew when the seeds are others, and holds nothing secret.
        """
        seeds = self.seeds_file(name).read_text().split()
        keys = [Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key() for seed in seeds]
        text = "".join(f"{key.public_bytes_raw().hex()}\n" for key in keys)
        path = self.folder / f"{name}.pub"
        if not path.exists() or path.read_text() != text:
            path.unlink(missing_ok=True)
            self._write_once(path, text)
        return path

    def _kept(self, name: str, make: Callable[[], str]) -> Path:
        path = self.folder / name
        if not path.exists():
            self._write_once(path, make())
        return path

    def _write_once(self, path: Path, text: str) -> None:
        """Put the whole text at `path` at once; whoever comes second leaves the first one's in place."""
        descriptor, scratch = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text.rstrip("\n") + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(scratch, path)
        except FileExistsError:
            return
        finally:
            Path(scratch).unlink()


def _new_nkey_seed() -> str:
    seed: bytes = _NKEYS.encode_seed(os.urandom(_NKEY_BYTES), nkeys.PREFIX_BYTE_USER)
    return seed.decode()
