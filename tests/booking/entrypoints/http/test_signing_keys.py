"""Keys that rotate while people work: published early, followed by every gateway, refused when revoked."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from yoyaku.booking.settings import KeySettings
from yoyaku.booking.wiring.keys import key_commands
from yoyaku.embedded.ports import choose_port


@pytest.mark.requirement("ID-08")
async def test_the_public_keys_check_a_token_and_may_be_kept(house: Any) -> None:
    answer = await house.client.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    keys = jwt.PyJWKSet.from_json(answer.text)
    token = house.hanako["Authorization"].split()[1]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["EdDSA"], audience="yoyaku-api", issuer="yoyaku")["role"] == "USER"
    assert all(set(one) == {"kty", "crv", "x", "kid", "alg", "use"} for one in answer.json()["keys"])
    known = f'"other", W/{answer.headers["etag"]}'
    again = await house.client.get("/.well-known/jwks.json", headers={"If-None-Match": known})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]


@pytest.mark.requirement("ID-08")
async def test_rotation_and_revocation_reach_every_gateway_without_a_restart(
    own_house: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    house = own_house
    service = house.service
    other = replace(service, port=choose_port(), processes=[], log_folder=service.log_folder / "other")
    other.log_folder.mkdir()
    try:
        await other.start_gateway()
        async with httpx.AsyncClient(base_url=other.url, trust_env=False) as elsewhere:
            await _rotate_and_revoke(house, elsewhere, eventually)
    finally:
        other.stop()


async def _rotate_and_revoke(
    house: Any, elsewhere: httpx.AsyncClient, eventually: Callable[..., Awaitable[None]]
) -> None:
    service = house.service
    first = await _signed_by(house)
    coming = json.loads(service.run("keys", "rotate", "--json").stdout)["key_id"]

    async def published() -> bool:
        answers = [await client.get("/.well-known/jwks.json") for client in (house.client, elsewhere)]
        return all(coming in answer.text and first in answer.text for answer in answers)

    await eventually(published)
    assert await _signed_by(house) == first
    waiting = service.run("keys", "rotate")
    assert (waiting.returncode, coming in waiting.stderr) == (3, True)

    settings = KeySettings(
        database=service.database.service, key_encryption_key_file=service.secrets.key_encryption_key_file()
    )
    async with key_commands(settings) as commands:
        now = (await commands.rotate(at_once=True)).key_id

        async def signs() -> bool:
            return await _signed_by(house) == now

        await eventually(signs)
        fresh = await house.log_in("hanako")
        # The old token and the new one, each where it was not signed.
        for headers in (house.hanako, fresh):
            assert (await elsewhere.get("/api/v1/rooms", headers=headers)).status_code == 200
        await commands.revoke(first)

    async def thrown_out() -> bool:
        return (await elsewhere.get("/api/v1/rooms", headers=house.hanako)).status_code == 401

    await eventually(thrown_out)
    assert (await elsewhere.get("/api/v1/rooms", headers=fresh)).status_code == 200
    refused = service.run("keys", "revoke", now)
    assert (refused.returncode, "only one" in refused.stderr) == (3, True)
    listed = service.run("keys", "list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[first, "revoked"], [coming, "verifying"], [now, "signing"]]


async def _signed_by(house: Any) -> str:
    token = (await house.log_in("taro"))["Authorization"].split()[1]
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


@pytest.mark.requirement("ID-08")
async def test_a_token_of_an_unknown_key_is_refused(house: Any) -> None:
    header = {"alg": "EdDSA", "kid": "x" * 43, "typ": "at+jwt"}
    body, signature = house.hanako["Authorization"].split(".")[1:]
    forged = f"{jwt.utils.base64url_encode(json.dumps(header).encode()).decode()}.{body}.{signature}"
    answer = await house.client.get("/api/v1/rooms", headers={"Authorization": f"Bearer {forged}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
