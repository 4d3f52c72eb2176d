"""Issue and check access tokens.

Invariant: a token counts only when this service signed it with EdDSA, for this audience, and its time is now. Tokens
found good are remembered (bounded, and no longer than their key is believed) so that a signature is checked once; the
times are judged on every use.
Source: RFC 7519, RFC 8037, RFC 8725.
"""

import base64
import binascii
import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from yoyaku.booking.adapters.jwt.key_ring import KeyRing
from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.signing_key import TOKEN_LIFETIME
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sign_in import AccessToken, Principal

ISSUER: Final = "yoyaku"
AUDIENCE: Final = "yoyaku-api"
ALGORITHM: Final = "EdDSA"
TYPE_HEADER: Final = "at+jwt"
LIFETIME_SECONDS: Final = int(TOKEN_LIFETIME.total_seconds())
CLOCK_LEEWAY_SECONDS: Final = 5
"""How far ahead another process's clock may be."""
_REMEMBERED: Final = 10_000
_LONGEST: Final = 4096
_KEY_ID_LENGTH: Final = 43
"""Of a SHA-256 in base64url."""
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+")
_REQUIRED: Final = ["iss", "aud", "sub", "role", "sid", "iat", "nbf", "exp", "jti"]


class EdDsaTokens:
    """Signs with the key whose turn it is and accepts the signatures of every key that verifies."""

    def __init__(self, keys: KeyRing, *, now: Clock) -> None:
        self._keys = keys
        self._now = now
        self._known: dict[str, Principal] = {}
        self._edition = keys.edition

    def issue(self, person: Person, session_id: UUID, issued_at: datetime) -> AccessToken:
        """Sign a token of a session of the person, good for 15 minutes from now.

        `iat` has fractions of a second (RFC 7519, 2), so that a token of the second in which the person's earlier
        tokens were denied is told apart from those. Raises ServiceUnavailableError when no key can sign.
        """
        key_id, private_key = self._keys.signer()
        starts_at = int(self._now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(person.id),
            "role": person.role.value,
            "sid": str(session_id),
            "iat": issued_at.timestamp(),
            "nbf": starts_at,
            "exp": starts_at + LIFETIME_SECONDS,
            "jti": str(uuid4()),
        }
        text = jwt.encode(claims, private_key, algorithm=ALGORITHM, headers={"kid": key_id, "typ": TYPE_HEADER})
        return AccessToken(text, LIFETIME_SECONDS, datetime.fromtimestamp(starts_at + LIFETIME_SECONDS, UTC))

    async def check(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises NotAuthenticatedError, and PostgresError when only the database could tell whether there is such a key.
        """
        if self._edition != self._keys.edition:
            self._known.clear()
            self._edition = self._keys.edition
        principal = self._known.get(token)
        if principal is None:
            principal = await self._verified(token)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = principal
        now = self._now().timestamp()
        if not principal.not_before - CLOCK_LEEWAY_SECONDS <= now < principal.expires_at:
            self._known.pop(token, None)
            raise NotAuthenticatedError
        return principal

    async def _verified(self, token: str) -> Principal:
        key = await self._keys.verifier(_named_key(token))
        if key is None:
            raise NotAuthenticatedError
        try:
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
                session_id=UUID(claims["sid"]),
                issued_at=_moment(claims["iat"]),
                not_before=float(claims["nbf"]),
                expires_at=float(claims["exp"]),
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise NotAuthenticatedError from error


def _moment(claim: float) -> float:
    """Return seconds since the epoch. Raises ValueError for what is none, such as NaN, which is before nothing."""
    seconds = float(claim)
    if not math.isfinite(seconds):
        raise ValueError("no moment")
    return seconds


def _named_key(token: str) -> str:
    """Return the key id of a token that looks exactly as this service writes them. Raises NotAuthenticatedError.

    Anything else in the header (`jku`, `jwk`, `x5u`, `crit`, `b64`, another `alg`) would ask us to trust the sender;
    a member that comes twice would mean different things to different readers.
    """
    parts = token.split(".") if len(token) <= _LONGEST else []
    # Decoders take padding and other letters that say nothing: one token would have many forms.
    if len(parts) != 3 or not all(map(_COMPACT.fullmatch, parts)):
        raise NotAuthenticatedError
    try:
        header, claims = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[:2]]
        members = json.loads(header.decode(), object_pairs_hook=_without_twins)
        json.loads(claims.decode(), object_pairs_hook=_without_twins)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise NotAuthenticatedError from error
    key_id = members.get("kid") if isinstance(members, dict) else None
    if not isinstance(key_id, str) or len(key_id) != _KEY_ID_LENGTH:
        raise NotAuthenticatedError
    if members != {"alg": ALGORITHM, "kid": key_id, "typ": TYPE_HEADER}:
        raise NotAuthenticatedError
    return key_id


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members
