"""Keys of logs and witnesses: a name, an Ed25519 key, and what kind of signature it makes.

A key is known by its name and its **key ID** together; the ID covers the kind, so one Ed25519 key used for two kinds
is two keys here. Source: C2SP signed-note ("Verifier keys") and tlog-cosignature; the text of a private key is that
of the Go package golang.org/x/mod/sumdb/note.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from yoyaku.tlog.errors import MalformedKeyError, shown
from yoyaku.tlog.strict import LARGEST_SIZE, from_base64, to_base64

ED25519_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
TIME_BYTES: Final = 8
_PRIVATE: Final = "PRIVATE+KEY+"
_LONGEST_KEY: Final = 4096
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


class Algorithm(IntEnum):
    """The signature types of C2SP signed-note that are spoken here."""

    ED25519 = 0x01
    """A log's signature of a note's text."""
    COSIGNATURE_V1 = 0x04
    """A witness's signature of a checkpoint's text and a time."""


def key_id(name: str, algorithm: Algorithm, public_key: bytes) -> int:
    """Compute the 32-bit key ID: the first four bytes, big-endian, of SHA-256(name, newline, algorithm, public key)."""
    return int.from_bytes(sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4], "big")


def check_name(name: str) -> None:
    """Refuse what cannot name a key: nothing, spaces of Unicode, plus, control characters. Raises MalformedKeyError."""
    if not name:
        raise MalformedKeyError("the name of a key is empty")
    if any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise MalformedKeyError(
            f"the name of a key holds a space, a plus, a control character or a surrogate: {shown(name)}"
        )


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as one is told it: by its vkey. Two are equal when name, kind and key are."""

    name: str
    algorithm: Algorithm
    public_key: bytes
    """32 bytes, RFC 8032."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public_key) != ED25519_BYTES:
            raise MalformedKeyError(f"an Ed25519 public key has {ED25519_BYTES} bytes, not {len(self.public_key)}")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `<name>+<key ID in hex>+<base64 of kind and key>`; white space around it is no part of it.

        Raises MalformedKeyError when it is anything else, of another kind, or its key ID is not that of name and key.
        """
        name, hex_id, algorithm, public_key = _parts(vkey.strip(), "verifier key")
        key = cls(name, algorithm, public_key)
        if f"{key.key_id:08x}" != hex_id:
            raise MalformedKeyError(
                f"verifier key: the key ID is {key.key_id:08x}, not {hex_id}: name or key is mistyped"
            )
        return key

    @property
    def key_id(self) -> int:
        """The 32-bit key ID."""
        return key_id(self.name, self.algorithm, self.public_key)

    @property
    def vkey(self) -> str:
        """The text form: what `parse` reads."""
        return f"{self.name}+{self.key_id:08x}+{to_base64(bytes([self.algorithm]) + self.public_key)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Tell whether the signature (without its key ID) is this key's over the text."""
        if self.algorithm is Algorithm.ED25519:
            return self._signed(text.encode(), signature)
        stamp, rest = signature[:TIME_BYTES], signature[TIME_BYTES:]
        time = int.from_bytes(stamp, "big")
        return len(stamp) == TIME_BYTES and time <= LARGEST_SIZE and self._signed(cosigned_message(text, time), rest)

    def _signed(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key under a name. Its repr does not show the secret; `private_text` is the secret."""

    name: str
    seed: bytes = field(repr=False)
    """32 bytes, RFC 8032."""
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.seed) != ED25519_BYTES:
            raise MalformedKeyError(f"an Ed25519 private key has {ED25519_BYTES} bytes, not {len(self.seed)}")

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm = Algorithm.ED25519) -> Self:
        """Make a new key from the system's randomness."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), algorithm)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `private_text` gives. Raises MalformedKeyError, whose message never shows the input."""
        stripped = text.strip()
        if not stripped.startswith(_PRIVATE):
            raise MalformedKeyError(f"private key: does not begin with {_PRIVATE}")
        name, hex_id, algorithm, seed = _parts(stripped.removeprefix(_PRIVATE), "private key")
        key = cls(name, seed, algorithm)
        if f"{key.verifier.key_id:08x}" != hex_id:
            raise MalformedKeyError("private key: the key ID is not that of name and key")
        return key

    @property
    def private_text(self) -> str:
        """The secret as text: `PRIVATE+KEY+<name>+<key ID in hex>+<base64 of kind and seed>`."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id:08x}+{to_base64(bytes([self.algorithm]) + self.seed)}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, self.algorithm, public)

    @property
    def vkey(self) -> str:
        """The public half as text."""
        return self.verifier.vkey

    def named(self, name: str) -> "SigningKey":
        """Give the same secret under another name: a log's key in another epoch."""
        return SigningKey(name, self.seed, self.algorithm)

    def raw_signature(self, message: bytes) -> bytes:
        """Sign bytes with Ed25519: 64 bytes. For what, the caller says: `note.sign` and `cosignature.cosign` do."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def cosigned_message(text: str, time: int) -> bytes:
    """Lay out what a cosignature/v1 signs; `time` in seconds since the Epoch. Source: C2SP tlog-cosignature."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _parts(text: str, what: str) -> tuple[str, str, Algorithm, bytes]:
    """Split `<name>+<hex>+<base64>`; the messages do not show the last part, which may be a secret."""
    if len(text) > _LONGEST_KEY:
        raise MalformedKeyError(f"{what}: longer than {_LONGEST_KEY} characters")
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedKeyError(f"{what}: not of the form <name>+<key ID>+<base64>")
    name, hex_id, encoded = parts
    check_name(name)
    if not _KEY_ID.fullmatch(hex_id):
        raise MalformedKeyError(f"{what} {name}: the key ID is not 8 lowercase hex digits: {shown(hex_id)}")
    try:
        data = from_base64(encoded, MalformedKeyError, what)
    except MalformedKeyError:
        raise MalformedKeyError(f"{what} {name}: its last part is not base64") from None
    if not data or data[0] not in set(Algorithm):
        kind = f"{data[0]:#04x}" if data else "none"
        raise MalformedKeyError(
            f"{what} {name}: its kind is {kind}; known are 0x01 (Ed25519) and 0x04 (cosignature/v1)"
        )
    if len(data) != 1 + ED25519_BYTES:
        raise MalformedKeyError(f"{what} {name}: an Ed25519 key has {ED25519_BYTES} bytes, not {len(data) - 1}")
    return name, hex_id, Algorithm(data[0]), data[1:]
