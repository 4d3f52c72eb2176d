"""The story that the pages of docs/api tell: real requests to a running gateway, and what it answered.

Invariant: played on a fresh system it makes the same requests with the same outcomes every time. Everything it books
lies on one Monday far ahead, so that no answer depends on when it is played.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

PASSWORD: Final = "kaigishitsu wo yoyaku 7"  # noqa: S105  of a person who lives as long as the story
DAY: Final = "2030-04-01"
LIMIT_OF_KNOCKS: Final = 60
OPEN_ON_WORKDAYS: Final = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it was sent, and its answer."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: str
    answer: httpx.Response


@dataclass
class Stage:
    """A gateway with an ADMIN who is signed in; `suffix` keeps names apart where others play too."""

    client: httpx.AsyncClient
    admin: Mapping[str, str]
    suffix: str = ""
    exchanges: dict[str, Exchange] = field(default_factory=dict)

    async def tell(
        self,
        name: str,
        method: str,
        target: str,
        *,
        body: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and keep it under its name; a mapping is sent as JSON, a text as it is."""
        content = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False) if body is not None else ""
        sent = {**(headers or {})}
        if content:
            sent["Content-Type"] = "application/json"
        answer = await self.client.request(method, f"/api/v1{target}", content=content.encode(), headers=sent)
        self.exchanges[name] = Exchange(method, f"/api/v1{target}", sent, content, answer)
        return answer

    async def hire(self, user_id: str, display_name: str) -> str:
        """Make a person and return the user id."""
        user_id += self.suffix
        body = {"user_id": user_id, "display_name": display_name, "role": "USER", "password": PASSWORD}
        (await self.client.post("/api/v1/users", json=body, headers=self.admin)).raise_for_status()
        return user_id

    async def build(self, name: str, features: list[str]) -> int:
        """Make a room that is open on workdays and return its id."""
        body = {
            "name": name,
            "site": f"Tokyo{self.suffix}",
            "capacity": 8,
            "features": features,
            "time_zone": "Asia/Tokyo",
            "opening_hours": OPEN_ON_WORKDAYS,
        }
        made: int = (
            (await self.client.post("/api/v1/rooms", json=body, headers=self.admin)).raise_for_status().json()["id"]
        )
        return made


def bearer(answer: httpx.Response) -> dict[str, str]:
    """Return the header that carries the access token of an answer to a sign-in."""
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def wish(room_id: int, begin: str, end: str, title: str) -> dict[str, Any]:
    """Return the body of a booking on the day of the story, by the room's own clock."""
    return {
        "room_id": room_id,
        "starts_at": f"{DAY}T{begin}:00+09:00",
        "ends_at": f"{DAY}T{end}:00+09:00",
        "title": title,
    }


async def play(stage: Stage) -> dict[str, Exchange]:
    """Play everything but the limits, and return the exchanges by name."""
    hanako = await stage.hire("hanako", "山田 花子")
    taro = await stage.hire("taro", "鈴木 太郎")
    fuji = await stage.build("Fuji", ["projector"])
    await stage.build("Sakura", ["projector"])
    for_hanako = await _sign_in(stage, hanako)
    signed_in = await stage.client.post("/api/v1/auth/login", json={"user_id": taro, "password": PASSWORD})
    for_taro = bearer(signed_in)
    await _book_once(stage, for_hanako, fuji)
    booked = stage.exchanges["place-with-key"].answer.json()["id"]
    await _change(stage, for_hanako, booked)
    await _be_refused(stage, for_taro, fuji)
    await _page_through(stage, for_hanako, fuji)
    await _sign_out(stage, for_hanako)
    return stage.exchanges


async def _sign_in(stage: Stage, user_id: str) -> dict[str, str]:
    wrong = {"user_id": user_id, "password": "hirakegoma 12345"}
    await stage.tell("sign-in-failed", "POST", "/auth/login", body=wrong)
    first = await stage.tell("sign-in", "POST", "/auth/login", body={"user_id": user_id, "password": PASSWORD})
    used = {"refresh_token": first.json()["refresh_token"]}
    second = await stage.tell("refresh", "POST", "/auth/refresh", body=used)
    await stage.tell("refresh-superseded", "POST", "/auth/refresh", body=used)
    await stage.tell("sessions", "GET", "/auth/sessions", headers=bearer(second))
    return bearer(second)


async def _book_once(stage: Stage, hanako: Mapping[str, str], fuji: int) -> None:
    headers = {**hanako, "Idempotency-Key": f"weekly-review-2030-04-01{stage.suffix}"}
    wanted = wish(fuji, "10:00", "11:00", "Weekly review")
    await stage.tell("place-with-key", "POST", "/reservations", body=wanted, headers=headers)
    await stage.tell("place-again", "POST", "/reservations", body=wanted, headers=headers)
    other = wish(fuji, "10:00", "12:00", "Weekly review")
    await stage.tell("key-reused", "POST", "/reservations", body=other, headers=headers)


async def _change(stage: Stage, hanako: Mapping[str, str], booked: str) -> None:
    address = f"/reservations/{booked}"
    tag = (await stage.tell("read", "GET", address, headers=hanako)).headers["ETag"]
    await stage.tell("read-again", "GET", address, headers={**hanako, "If-None-Match": tag})
    title = {"title": "Weekly review with sales"}
    await stage.tell("change-blindly", "PATCH", address, body=title, headers=hanako)
    await stage.tell("change", "PATCH", address, body=title, headers={**hanako, "If-Match": tag})
    later = {"ends_at": f"{DAY}T11:30:00+09:00"}
    await stage.tell("change-stale", "PATCH", address, body=later, headers={**hanako, "If-Match": tag})


async def _be_refused(stage: Stage, taro: Mapping[str, str], fuji: int) -> None:
    taken = wish(fuji, "10:30", "11:30", "Interview")
    await stage.tell("taken", "POST", "/reservations", body=taken, headers=taro)
    faults = {**wish(fuji, "10:10", "19:30", ""), "colour": "red"}
    await stage.tell("faults-of-form", "POST", "/reservations", body=faults, headers=taro)
    rules = wish(fuji, "08:10", "18:30", "Offsite")
    await stage.tell("faults-of-rules", "POST", "/reservations", body=rules, headers=taro)
    early = wish(fuji, "08:00", "09:00", "Breakfast")
    in_japanese = {**taro, "Accept-Language": "ja"}
    await stage.tell("room-not-bookable", "POST", "/reservations", body=early, headers=in_japanese)
    await stage.tell("no-json", "POST", "/reservations", body='{"room_id": 1, "room_id": 2}', headers=taro)
    await stage.tell("unknown-parameter", "GET", "/reservations/my?colour=red", headers=taro)
    await stage.tell("not-permitted", "GET", "/users", headers=taro)


async def _page_through(stage: Stage, hanako: Mapping[str, str], fuji: int) -> None:
    for begin, end, title in (("13:00", "14:00", "Budget"), ("15:00", "16:00", "Design")):
        made = await stage.client.post("/api/v1/reservations", json=wish(fuji, begin, end, title), headers=hanako)
        made.raise_for_status()
    first = await stage.tell("first-page", "GET", f"/reservations?date={DAY}&room_id={fuji}&limit=2", headers=hanako)
    following = first.links["next"]["url"].removeprefix("/api/v1")
    await stage.tell("last-page", "GET", following, headers=hanako)
    known = {**hanako, "If-None-Match": first.headers["ETag"]}
    await stage.tell("page-known", "GET", f"/reservations?date={DAY}&room_id={fuji}&limit=2", headers=known)
    await stage.tell("bad-cursor", "GET", "/reservations/my?cursor=yesterday", headers=hanako)
    await stage.tell("rooms-page", "GET", f"/rooms?site=Tokyo{stage.suffix}&limit=1", headers=hanako)


async def _sign_out(stage: Stage, hanako: Mapping[str, str]) -> None:
    await stage.tell("sign-out", "POST", "/auth/logout", headers=hanako)
    await stage.tell("signed-out", "GET", "/users/me", headers=hanako)
    newest = stage.exchanges["refresh"].answer.json()["refresh_token"]
    await stage.tell("sign-in-again", "POST", "/auth/refresh", body={"refresh_token": newest})


async def play_limits(stage: Stage) -> dict[str, Exchange]:
    """Ask once, then sign in to one account until the gateway has had enough; with the default limits."""
    body = {"user_id": await stage.hire("hurried", "急ぐ人"), "password": PASSWORD}
    answer = await stage.client.post("/api/v1/auth/login", json=body)
    await stage.tell("within-limits", "GET", "/users/me", headers=bearer(answer))
    for _ in range(LIMIT_OF_KNOCKS):
        answer = await stage.tell("too-many-requests", "POST", "/auth/login", body=body)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return stage.exchanges
    raise RuntimeError("the gateway never had enough")
