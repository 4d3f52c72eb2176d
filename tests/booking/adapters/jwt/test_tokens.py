"""Access tokens: what is accepted, and the ways to forge one."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yoyaku.booking.adapters.jwt.key_ring import KeyRing
from yoyaku.booking.adapters.jwt.sealing import Seal
from yoyaku.booking.adapters.jwt.tokens import EdDsaTokens
from yoyaku.booking.domain.errors import NotAuthenticatedError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.domain.signing_key import SigningKey
from yoyaku.booking.usecases.ports.signing_keys import StoredKey
from yoyaku.testkit.clock import SetClock

PERSON = Person(uuid4(), "hanako", "Hanako", Role.USER, datetime(2026, 1, 1, tzinfo=UTC))
SESSION = uuid4()
ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493


class Mint:
    """The tokens of one key, and a way to sign anything with it."""

    def __init__(self, clock: SetClock) -> None:
        seal = Seal(b"k" * 32)
        pair = seal.make_pair()
        self.clock = clock
        self.kid = pair.key_id
        self.public_key = pair.public_key
        self.private_key: Ed25519PrivateKey = seal.open(pair.key_id, pair.sealed_private_key)
        self.rows = [StoredKey(SigningKey(pair.key_id, pair.public_key, clock(), clock()), pair.sealed_private_key)]
        self.ring = KeyRing(self.read, seal, now=clock)
        self.tokens = EdDsaTokens(self.ring, now=clock)

    async def read(self) -> list[StoredKey]:
        return list(self.rows)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock().timestamp())
        made = {
            "iss": "yoyaku", "aud": "yoyaku-api", "sub": str(PERSON.id), "role": "ADMIN",
            "iat": now, "nbf": now, "exp": now + 900, "jti": "j", "sid": str(uuid4()), **changes,
        }  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}

    def signed(self, header: str | None = None, claims: str | None = None, **members: Any) -> str:
        """Sign a token by hand, with the real key, as only a thief or this service could."""
        head = {"alg": "EdDSA", "kid": self.kid, "typ": "at+jwt", **members}
        first = encoded((header or json.dumps(head)).encode())
        second = encoded((claims or json.dumps(self.claims())).encode())
        return f"{first}.{second}.{encoded(self.private_key.sign(f'{first}.{second}'.encode()))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest_asyncio.fixture
async def mint(clock: SetClock) -> AsyncIterator[Mint]:
    made = Mint(clock)
    async with made.ring:
        yield made


async def refused(mint: Mint, token: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        await mint.tokens.check(token)


@pytest.mark.requirement("ID-01")
async def test_issued_then_checked_until_it_ends(mint: Mint, clock: SetClock) -> None:
    token = mint.tokens.issue(PERSON, SESSION, clock())
    assert token.expires_in_seconds == 900
    assert jwt.get_unverified_header(token.text) == {"alg": "EdDSA", "kid": mint.kid, "typ": "at+jwt"}
    for _ in range(2):
        principal = await mint.tokens.check(token.text)
        assert (principal.person_id, principal.role, principal.session_id) == (PERSON.id, Role.USER, SESSION)
        assert principal.issued_at == clock().timestamp()
    clock.advance(seconds=899)
    await mint.tokens.check(token.text)
    clock.advance(seconds=1)
    await refused(mint, token.text)


@pytest.mark.requirement("ID-01")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"}, {"iss": "other"}, {"exp": None}, {"jti": None}, {"nbf": None}, {"sub": "x"}, {"sub": None},
        {"role": "ROOT"}, {"role": None}, {"exp": "soon"}, {"exp": 1}, {"exp": 10**400}, {"nbf": 99999999999},
        {"aud": ["other"]}, {"aud": None}, {"iss": None}, {"nbf": float("nan")}, {"exp": float("nan")},
        {"sid": None}, {"sid": "x"}, {"iat": None}, {"iat": "x"}, {"iat": float("nan")},
    ],
)  # fmt: skip
async def test_signed_but_wrong(mint: Mint, changes: dict[str, Any]) -> None:
    await mint.tokens.check(mint.signed())
    await refused(mint, mint.signed(claims=json.dumps(mint.claims(**changes))))


@pytest.mark.requirement("ID-01", "ID-08")
async def test_forged(mint: Mint) -> None:
    head, body, signature = mint.tokens.issue(PERSON, SESSION, mint.clock()).text.split(".")
    kid = {"kid": mint.kid, "typ": "at+jwt"}
    stranger = Ed25519PrivateKey.generate()
    unsigned = jwt.encode(mint.claims(), None, algorithm="none", headers=kid)
    by_public_key = jwt.encode(mint.claims(), mint.public_key, algorithm="HS256", headers=kid)
    by_stranger = jwt.encode(mint.claims(), stranger, algorithm="EdDSA", headers=kid)
    altered = encoded(json.dumps(mint.claims()).encode())
    for token in (
        unsigned, unsigned + signature, by_public_key, by_stranger, f"{head}.{altered}.{signature}", f"{head}.{body}.",
        f"{head}.{body}", f"{head}.{body}.{signature}.", "", "a.b.c", "....", "\x00", "é.é.é",
        f"{head}.{body}.{signature}" + "x" * 5000,
    ):  # fmt: skip
        await refused(mint, token)


@pytest.mark.requirement("ID-01", "ID-08")
@pytest.mark.parametrize(
    "members",
    [
        {"alg": "none"}, {"alg": "HS256"}, {"alg": "eddsa"}, {"alg": ["EdDSA"]}, {"alg": None}, {"typ": "JWT"},
        {"kid": "../../../../dev/null"}, {"kid": "' OR 1=1 --"}, {"kid": "x" * 3000}, {"kid": None}, {"kid": 7},
        {"kid": ["a"]}, {"kid": ""}, {"jku": "https://evil.example/jwks.json"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
        {"x5u": "https://evil.example/cert.pem"}, {"x5c": ["MII"]}, {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]}, {"b64": False}, {"zip": "DEF"}, {"cty": "JWT"},
    ],
)  # fmt: skip
async def test_a_header_that_asks_to_be_trusted_is_refused_whoever_signed_it(
    mint: Mint, members: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yoyaku.booking.adapters.jwt.key_ring.UNKNOWN_EVERY_SECONDS", 0.0)
    await refused(mint, mint.signed(**members))


@pytest.mark.requirement("ID-01")
async def test_what_two_readers_could_read_differently_is_refused(mint: Mint) -> None:
    await refused(mint, mint.signed(header=f'{{"alg":"none","alg":"EdDSA","kid":"{mint.kid}","typ":"at+jwt"}}'))
    claims = json.dumps(mint.claims())
    await refused(mint, mint.signed(claims=claims[:-1] + ', "role": "USER"}'))
    for text in ('"x"', "[]", "null", "7", "[" * 900, '{"a":' * 400):
        await refused(mint, mint.signed(claims=text))
        await refused(mint, mint.signed(header=text))
    good = mint.signed()
    await mint.tokens.check(good)
    head, body, signature = good.split(".")
    for padded in (f"{good}=", f"{good}==", f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}"):
        await refused(mint, padded)
    for token in (f"{head}\n.{body}.{signature}", f"{head}.{body}.!{signature}"):
        await refused(mint, token)


@pytest.mark.requirement("ID-01")
async def test_a_signature_has_one_form_only(mint: Mint) -> None:
    head, body, signature = mint.signed().split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert await mint.tokens.check(f"{head}.{body}.{encoded(raw)}")
    twin = int.from_bytes(raw[32:], "little") + ORDER_OF_ED25519
    await refused(mint, f"{head}.{body}.{encoded(raw[:32] + twin.to_bytes(32, 'little'))}")
    # The last character of 64 bytes in base64 has four bits that say nothing.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    await refused(mint, f"{head}.{body}.{signature[:-1]}{alphabet[alphabet.index(signature[-1]) + 1]}")


@pytest.mark.requirement("ID-08")
async def test_a_token_found_good_before_is_refused_once_its_key_is_revoked(mint: Mint) -> None:
    token = mint.tokens.issue(PERSON, SESSION, mint.clock()).text
    await mint.tokens.check(token)
    mint.rows.clear()
    await mint.ring.load()
    await refused(mint, token)
