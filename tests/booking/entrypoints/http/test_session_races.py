"""Refreshing, signing out and disabling at the same moment: whoever comes first, what is over stays over."""

import asyncio
from typing import Any

import httpx
import pytest

PASSWORD = "kaigishitsu wo yoyaku 7"
ROUNDS = 20


async def sign_in(house: Any, user_id: str) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/auth/login", json={"user_id": user_id, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def refresh(house: Any, tokens: dict[str, Any]) -> httpx.Response:
    body = {"refresh_token": tokens["refresh_token"]}
    answer: httpx.Response = await house.client.post("/api/v1/auth/refresh", json=body)
    return answer


async def everything_is_over(house: Any, first: dict[str, Any], refreshed: list[httpx.Response]) -> None:
    won = [answer.json() for answer in refreshed if answer.status_code == 200]
    assert len(won) <= 1
    for tokens in (first, *won):
        entered = await house.client.get("/api/v1/users/me", headers=bearer(tokens))
        again = await refresh(house, tokens)
        assert (entered.status_code, again.status_code) == (401, 401), (entered.text, again.text)


@pytest.mark.requirement("ID-03", "ID-04")
async def test_refreshing_against_signing_out(house: Any) -> None:
    await house.make_user("racer")
    outcomes = set()
    for number in range(ROUNDS):
        tokens = await sign_in(house, "racer")
        leaving = house.client.post("/api/v1/auth/logout", headers=bearer(tokens))
        tabs = [refresh(house, tokens) for _ in range(2)]
        first, *others = [leaving, *tabs] if number % 2 else [*tabs, leaving]
        answers = await asyncio.gather(first, *others)
        left = answers[0] if number % 2 else answers[-1]
        refreshed = [answer for answer in answers if answer is not left]
        assert left.status_code == 204
        assert {answer.status_code for answer in refreshed} <= {200, 401, 409}
        outcomes |= {answer.status_code for answer in refreshed}
        await everything_is_over(house, tokens, refreshed)
    assert outcomes >= {200, 401}


@pytest.mark.requirement("ID-03", "ID-06")
async def test_refreshing_and_signing_in_against_disabling(house: Any) -> None:
    await house.make_user("suspect")
    found = await house.client.get("/api/v1/users?q=suspect", headers=house.admin)
    address = f"/api/v1/users/{found.json()['items'][0]['id']}"
    for number in range(ROUNDS):
        tokens = await sign_in(house, "suspect")
        body = {"user_id": "suspect", "password": PASSWORD}
        disabling = house.client.post(f"{address}/disable", headers=house.admin)
        racing = [refresh(house, tokens), refresh(house, tokens), house.client.post("/api/v1/auth/login", json=body)]
        disabled, *answers = (
            await asyncio.gather(disabling, *racing)
            if number % 2
            else reversed(await asyncio.gather(*reversed(racing), disabling))
        )
        assert disabled.status_code == 200, disabled.text
        assert {answer.status_code for answer in answers} <= {200, 401, 409}
        for answer in answers:
            if answer.status_code == 200:
                await everything_is_over(house, answer.json(), [])
        await everything_is_over(house, tokens, [])
        assert (await house.client.post(f"{address}/enable", headers=house.admin)).status_code == 200
