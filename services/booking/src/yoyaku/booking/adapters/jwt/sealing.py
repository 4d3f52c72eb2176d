"""Make key pairs whose secret half can be kept in a database: sealed with AES-256-GCM.

Invariant: what is sealed opens only with the same key-encryption key and under the id of the key it belongs to.
Source: RFC 8032 (Ed25519), RFC 7638 (`kid` is the thumbprint), NIST SP 800-38D (a fresh 96-bit nonce a seal).
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from yoyaku.booking.usecases.ports.signing_keys import KeyPair

_NONCE_BYTES: Final = 12


class SealBrokenError(Exception):
    """The secret was sealed with another key-encryption key, for another key, or was altered."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals and opens secret keys with one key-encryption key of 32 bytes."""

    key_encryption_key: bytes = field(repr=False)

    def make_pair(self) -> KeyPair:
        """Return a new pair with its secret sealed."""
        private_key = Ed25519PrivateKey.generate()
        public_key = private_key.public_key().public_bytes_raw()
        made = key_id(public_key)
        return KeyPair(made, public_key, self.close(made, private_key))

    def close(self, under: str, private_key: Ed25519PrivateKey) -> bytes:
        """Seal a secret for the key of the given id."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.key_encryption_key).encrypt(nonce, private_key.private_bytes_raw(), under.encode())

    def open(self, under: str, sealed: bytes) -> Ed25519PrivateKey:
        """Open the secret of the key of the given id. Raises SealBrokenError."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            raw = AESGCM(self.key_encryption_key).decrypt(nonce, text, under.encode())
            return Ed25519PrivateKey.from_private_bytes(raw)
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(f"the secret of key {under} was sealed with another key-encryption key") from error


def key_id(public_key: bytes) -> str:
    """Return the thumbprint of a public key (RFC 7638)."""
    canonical = json.dumps(public_jwk(public_key), separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(canonical.encode()).digest())


def public_jwk(public_key: bytes) -> dict[str, str]:
    """Return the members of a public key that its thumbprint is made of (RFC 8037)."""
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url(public_key)}


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
