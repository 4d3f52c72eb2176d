"""Access tokens: what is accepted, and the ways to forge one."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yoyaku.booking.adapters.jwt.tokens import EdDsaTokens, KeyFileError, key_id, read_private_key
from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.testkit.clock import SetClock

PERSON = Person(uuid4(), "hanako", "Hanako", Role.USER, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def tokens(key: Ed25519PrivateKey, clock: SetClock) -> EdDsaTokens:
    return EdDsaTokens(key, now=clock)


def claims(clock: SetClock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    made = {
        "iss": "yoyaku", "aud": "yoyaku-api", "sub": str(PERSON.id), "role": "ADMIN",
        "iat": now, "nbf": now, "exp": now + 900, "jti": "j", **changes,
    }  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.requirement("ID-01")
def test_issued_then_checked_until_it_ends(tokens: EdDsaTokens, clock: SetClock) -> None:
    token = tokens.issue(PERSON)
    assert token.expires_in_seconds == 900
    assert jwt.get_unverified_header(token.text)["alg"] == "EdDSA"
    for _ in range(2):
        principal = tokens.check(token.text)
        assert (principal.person_id, principal.role) == (PERSON.id, Role.USER)
    clock.advance(seconds=899)
    tokens.check(token.text)
    clock.advance(seconds=1)
    with pytest.raises(NotAuthenticatedError):
        tokens.check(token.text)


@pytest.mark.requirement("ID-01")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"}, {"iss": "other"}, {"exp": None}, {"jti": None}, {"nbf": None}, {"sub": "x"}, {"sub": None},
        {"role": "ROOT"}, {"role": None}, {"exp": "soon"}, {"exp": 1}, {"exp": 10**400}, {"nbf": 99999999999},
        {"aud": ["other"]},
    ],
)  # fmt: skip
def test_signed_but_wrong(
    tokens: EdDsaTokens, key: Ed25519PrivateKey, clock: SetClock, changes: dict[str, Any]
) -> None:
    good = jwt.encode(claims(clock), key, algorithm="EdDSA", headers={"kid": key_id(key.public_key())})
    tokens.check(good)
    forged = jwt.encode(claims(clock, **changes), key, algorithm="EdDSA", headers={"kid": key_id(key.public_key())})
    with pytest.raises(NotAuthenticatedError):
        tokens.check(forged)


@pytest.mark.requirement("ID-01")
def test_forged(tokens: EdDsaTokens, key: Ed25519PrivateKey, clock: SetClock) -> None:
    kid = key_id(key.public_key())
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    stranger = Ed25519PrivateKey.generate()
    unsigned = jwt.encode(claims(clock), None, algorithm="none", headers={"kid": kid})
    by_public_key = jwt.encode(claims(clock), raw, algorithm="HS256", headers={"kid": kid})
    by_stranger = jwt.encode(claims(clock), stranger, algorithm="EdDSA", headers={"kid": kid})
    unknown_kid = jwt.encode(claims(clock), key, algorithm="EdDSA", headers={"kid": "../../etc/passwd"})
    no_kid = jwt.encode(claims(clock), key, algorithm="EdDSA")
    good = tokens.issue(PERSON).text
    head, body, signature = good.split(".")
    altered = base64.urlsafe_b64encode(json.dumps(claims(clock)).encode()).decode().rstrip("=")
    for token in (
        unsigned, by_public_key, by_stranger, unknown_kid, no_kid, f"{head}.{altered}.{signature}",
        f"{head}.{body}.", "", "a.b.c", "....", "\x00", good + "x" * 5000,
    ):  # fmt: skip
        with pytest.raises(NotAuthenticatedError):
            tokens.check(token)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="0600"):
        read_private_key(file)
    file.chmod(0o600)
    assert key_id(read_private_key(file).public_key()) == key_id(key.public_key())
    file.write_text("nothing")
    with pytest.raises(KeyFileError):
        read_private_key(file)
