"""Issue and check access tokens.

Invariant: a token counts only when this service signed it with EdDSA, for this audience, and its time is now. Tokens
found good are remembered (bounded) so that a signature is checked once; the times are judged on every use.
Source: RFC 7519, RFC 8037, RFC 8725; `kid` is the RFC 7638 thumbprint.
"""

import base64
import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sign_in import AccessToken, Principal

ISSUER: Final = "yoyaku"
AUDIENCE: Final = "yoyaku-api"
ALGORITHM: Final = "EdDSA"
LIFETIME_SECONDS: Final = 15 * 60
CLOCK_LEEWAY_SECONDS: Final = 5
"""How far ahead another process's clock may be."""
_REMEMBERED: Final = 10_000
_LONGEST: Final = 4096
_REQUIRED: Final = ["iss", "aud", "sub", "role", "iat", "nbf", "exp", "jti"]


class KeyFileError(Exception):
    """The file with the signing key cannot be used."""


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read the PEM file of the signing key. Raises KeyFileError when it is no Ed25519 key or others may read it."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{path} is readable by group or others; it must be mode 0600")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path} holds no unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds no Ed25519 key")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the thumbprint of a public key (RFC 7638)."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    return _base64url(hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class EdDsaTokens:
    """Signs with one key and accepts the signatures of that key."""

    def __init__(self, private_key: Ed25519PrivateKey, *, now: Clock) -> None:
        self._private_key = private_key
        self._key_id = key_id(private_key.public_key())
        self._public_keys: Mapping[str, Ed25519PublicKey] = {self._key_id: private_key.public_key()}
        self._now = now
        self._known: dict[str, Principal] = {}

    def issue(self, person: Person) -> AccessToken:
        """Sign a token for the person, good for 15 minutes from now."""
        issued_at = int(self._now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(person.id),
            "role": person.role.value,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + LIFETIME_SECONDS,
            "jti": str(uuid4()),
        }
        text = jwt.encode(
            claims, self._private_key, algorithm=ALGORITHM, headers={"kid": self._key_id, "typ": "at+jwt"}
        )
        return AccessToken(text, LIFETIME_SECONDS)

    def check(self, token: str) -> Principal:
        """Return who the token speaks for. Raises NotAuthenticatedError."""
        principal = self._known.get(token)
        if principal is None:
            principal = self._verified(token)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = principal
        now = self._now().timestamp()
        if not principal.not_before - CLOCK_LEEWAY_SECONDS <= now < principal.expires_at:
            self._known.pop(token, None)
            raise NotAuthenticatedError
        return principal

    def _verified(self, token: str) -> Principal:
        if len(token) > _LONGEST:
            raise NotAuthenticatedError
        try:
            key = self._public_keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise NotAuthenticatedError
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            return Principal(
                person_id=UUID(claims["sub"]),
                role=Role(claims["role"]),
                token_id=str(claims["jti"]),
                not_before=float(claims["nbf"]),
                expires_at=float(claims["exp"]),
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise NotAuthenticatedError from error
