"""Refreshing, signing out and managing people over HTTP, on a gateway that tests share: each makes its own person."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

numbers = itertools.count(1)
PASSWORD = "kaigishitsu wo yoyaku 7"
OTHER = "another kettle on the roof"


async def newcomer(house: Any, role: str = "USER") -> tuple[str, dict[str, Any]]:
    """Make a person; return their user id and the person as shown to the ADMIN."""
    user_id = f"newcomer{next(numbers)}"
    body = {"user_id": user_id, "display_name": user_id.title(), "role": role, "password": PASSWORD}
    answer = await house.client.post("/api/v1/users", json=body, headers=house.admin)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json()['id']}"
    return user_id, answer.json()


async def sign_in(house: Any, user_id: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/auth/login", json={"user_id": user_id, "password": password})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def refresh(house: Any, tokens: dict[str, Any]) -> httpx.Response:
    answer: httpx.Response = await house.client.post(
        "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    return answer


async def may_enter(house: Any, tokens: dict[str, Any]) -> bool:
    answer = await house.client.get("/api/v1/users/me", headers=bearer(tokens))
    assert answer.status_code in {200, 401}, answer.text
    return bool(answer.status_code == 200)


@pytest.mark.requirement("ID-01", "ID-03")
async def test_a_refresh_token_buys_one_successor(house: Any) -> None:
    user_id, _ = await newcomer(house)
    first = await sign_in(house, user_id)
    assert (first["token_type"], first["expires_in"], first["refresh_expires_in"]) == ("Bearer", 900, 30 * 86400)
    second = await refresh(house, first)
    assert second.status_code == 200
    assert second.json().keys() == first.keys()
    again = await refresh(house, first)
    assert (again.status_code, again.json()["code"]) == (409, "refresh-superseded")
    assert await may_enter(house, first)
    assert await may_enter(house, second.json())
    assert (await refresh(house, second.json())).status_code == 200


@pytest.mark.requirement("ID-03")
async def test_tabs_that_refresh_at_once_get_one_new_token_and_nobody_is_signed_out(house: Any) -> None:
    user_id, _ = await newcomer(house)
    tokens = await sign_in(house, user_id)
    for _ in range(20):
        answers = await asyncio.gather(*(refresh(house, tokens) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        tokens = next(answer.json() for answer in answers if answer.status_code == 200)
    assert await may_enter(house, tokens)


@pytest.mark.requirement("ID-03")
@pytest.mark.parametrize("text", ["x", "\u3042", "x" * 512, "' OR 1=1 --"])
async def test_what_is_no_refresh_token_is_answered_like_one_that_is_over(house: Any, text: str) -> None:
    user_id, _ = await newcomer(house)
    tokens = await sign_in(house, user_id)
    await house.client.post("/api/v1/auth/logout", headers=bearer(tokens))
    over, unknown = await refresh(house, tokens), await refresh(house, {"refresh_token": text})
    bodies = [{k: v for k, v in answer.json().items() if k != "trace_id"} for answer in (over, unknown)]
    assert over.status_code == unknown.status_code == 401
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "sign-in-again"


@pytest.mark.requirement("ID-04")
@pytest.mark.parametrize("way", ["access token", "refresh token", "both, the first over"])
async def test_signed_out_is_signed_out(house: Any, way: str) -> None:
    user_id, _ = await newcomer(house)
    tokens, elsewhere = await sign_in(house, user_id), await sign_in(house, user_id)
    given: dict[str, Any] = {"headers": bearer(tokens)}
    if way != "access token":
        headers = {"Authorization": "Bearer a.b.c"} if "both" in way else {}
        given = {"json": {"refresh_token": tokens["refresh_token"]}, "headers": headers}
    assert (await house.client.post("/api/v1/auth/logout", **given)).status_code == 204
    assert not await may_enter(house, tokens)
    assert (await refresh(house, tokens)).json()["code"] == "sign-in-again"
    assert await may_enter(house, elsewhere)
    repeated = await house.client.post("/api/v1/auth/logout", **given)
    assert repeated.status_code == (401 if way == "access token" else 204)


@pytest.mark.requirement("ID-04")
async def test_where_one_is_signed_in(house: Any) -> None:
    user_id, _ = await newcomer(house)
    here, there = await sign_in(house, user_id), await sign_in(house, user_id)
    listed = (await house.client.get("/api/v1/auth/sessions", headers=bearer(here))).json()["items"]
    assert [session["current"] for session in listed] == [False, True]
    assert all(session["client_address"] == "127.0.0.1" for session in listed)
    stranger = await house.client.delete(f"/api/v1/auth/sessions/{listed[0]['id']}", headers=house.admin)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "session-not-found")
    gone = await house.client.delete(f"/api/v1/auth/sessions/{listed[0]['id']}", headers=bearer(here))
    assert gone.status_code == 204
    assert not await may_enter(house, there)
    assert await may_enter(house, here)
    listed = (await house.client.get("/api/v1/auth/sessions", headers=bearer(here))).json()["items"]
    assert [session["current"] for session in listed] == [True]


@pytest.mark.requirement("ID-06")
async def test_disabled_at_once_and_enabled_again(house: Any) -> None:
    user_id, person = await newcomer(house)
    tokens = await sign_in(house, user_id)
    address = f"/api/v1/users/{person['id']}"
    disabled = await house.client.post(f"{address}/disable", headers=house.admin)
    assert (disabled.status_code, disabled.json()["disabled_at"] is None) == (200, False)
    assert not await may_enter(house, tokens)
    assert (await refresh(house, tokens)).status_code == 401
    body = {"user_id": user_id, "password": PASSWORD}
    refused = await house.client.post("/api/v1/auth/login", json=body)
    wrong = await house.client.post("/api/v1/auth/login", json={**body, "password": "x"})
    assert {k: v for k, v in refused.json().items() if k != "trace_id"} == {
        k: v for k, v in wrong.json().items() if k != "trace_id"
    }
    enabled = await house.client.post(f"{address}/enable", headers=house.admin)
    assert enabled.json()["disabled_at"] is None
    assert not await may_enter(house, tokens)
    assert await may_enter(house, await sign_in(house, user_id))


@pytest.mark.requirement("ID-06")
async def test_a_token_of_the_second_of_the_reset_is_good_and_the_one_before_is_not(house: Any) -> None:
    user_id, person = await newcomer(house)
    password = PASSWORD
    for _ in range(3):
        before = await sign_in(house, user_id, password)
        answer = await house.client.post(f"/api/v1/users/{person['id']}/reset-password", json={}, headers=house.admin)
        password = answer.json()["password"]
        after = await sign_in(house, user_id, password)
        assert not await may_enter(house, before)
        assert await may_enter(house, after)
    given = {"password": OTHER}
    chosen = await house.client.post(f"/api/v1/users/{person['id']}/reset-password", json=given, headers=house.admin)
    assert chosen.json() == {"password": None}
    await sign_in(house, user_id, OTHER)


@pytest.mark.requirement("ID-05", "ID-06")
async def test_another_role_needs_another_token_and_the_version_that_was_seen(house: Any) -> None:
    user_id, person = await newcomer(house)
    tokens = await sign_in(house, user_id)
    address = f"/api/v1/users/{person['id']}"
    change = {"role": "OPERATOR", "display_name": "Watcher"}
    blind = await house.client.patch(address, json=change, headers=house.admin)
    assert (blind.status_code, blind.json()["code"]) == (428, "precondition-required")
    stale = await house.client.patch(address, json=change, headers={**house.admin, "If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    changed = await house.client.patch(address, json=change, headers={**house.admin, "If-Match": '"1"'})
    assert (changed.status_code, changed.json()["role"], changed.headers["ETag"]) == (200, "OPERATOR", '"2"')
    assert not await may_enter(house, tokens)
    fresh = await sign_in(house, user_id)
    assert (await house.client.get("/api/v1/users/me", headers=bearer(fresh))).json()["role"] == "OPERATOR"
    assert (await house.client.get(address, headers=house.hanako)).status_code == 403


@pytest.mark.requirement("ID-06")
async def test_the_last_admin_stays(house: Any) -> None:
    everyone = await house.client.get("/api/v1/users?role=ADMIN&disabled=false", headers=house.admin)
    (admin,) = everyone.json()["items"]
    address = f"/api/v1/users/{admin['id']}"
    disabled = await house.client.post(f"{address}/disable", headers=house.admin)
    demoted = await house.client.patch(address, json={"role": "USER"}, headers={**house.admin, "If-Match": "*"})
    assert {(answer.status_code, answer.json()["code"]) for answer in (disabled, demoted)} == {(409, "last-admin")}


@pytest.mark.requirement("ID-06", "BK-08")
async def test_people_are_found_in_pages(house: Any) -> None:
    made = [(await newcomer(house, "OPERATOR"))[0] for _ in range(3)]
    found: list[str] = []
    address = "/api/v1/users?role=OPERATOR&q=NEWCOMER&limit=2"
    while address:
        page = await house.client.get(address, headers=house.admin)
        assert page.status_code == 200, page.text
        found += [person["user_id"] for person in page.json()["items"]]
        address = page.links.get("next", {}).get("url", "")
    assert set(made) <= set(found)
    assert found == sorted(set(found))
    for query, code in (("cursor=%C3%A9", "bad-cursor"), ("cursor=AAA", "bad-cursor"), ("q=%00", "bad-characters")):
        bad = await house.client.get(f"/api/v1/users?{query}", headers=house.admin)
        assert (bad.status_code, bad.json()["errors"][0]["code"]) == (422, code)


@pytest.mark.requirement("ID-02", "ID-06")
async def test_the_own_password(house: Any) -> None:
    user_id, _ = await newcomer(house)
    here, there = await sign_in(house, user_id), await sign_in(house, user_id)
    address = "/api/v1/users/me/password"
    wrong = {"current_password": "x", "new_password": OTHER}
    weak = {"current_password": PASSWORD, "new_password": "password12345"}
    for body, field, code in ((wrong, "current_password", "wrong-password"), (weak, "new_password", "too-common")):
        answer = await house.client.put(address, json=body, headers=bearer(here))
        assert answer.status_code == 422
        assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    good = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await house.client.put(address, json=good, headers=bearer(here))).status_code == 204
    assert await may_enter(house, here)
    assert not await may_enter(house, there)
    assert (await refresh(house, here)).status_code == 200
    assert (await refresh(house, there)).status_code == 401
    await sign_in(house, user_id, OTHER)
