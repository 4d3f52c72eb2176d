"""A gateway in memory for tests of the client: signs in, rotates tokens, books once a key, and fails when told to."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from yoyaku.client import Client
from yoyaku.client.retrying import Patience
from yoyaku.client.sessions import Sessions

URL = "http://gateway.test"
GRACE = timedelta(seconds=10)
PASSWORD = "kaigishitsu wo yoyaku 7"


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {
        "type": f"urn:yoyaku:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "trace_id": "t",
        **more,
    }
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


@dataclass
class Clock:
    """A clock that moves when somebody sleeps, and by hand."""

    now: datetime = datetime(2026, 12, 1, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@dataclass
class Double(httpx.AsyncBaseTransport):
    """The gateway. `failures` are taken one a request: what happens instead of, or after, the work."""

    clock: Clock
    failures: deque[str] = field(default_factory=deque)
    requests: list[httpx.Request] = field(default_factory=list)
    access: set[str] = field(default_factory=set)
    rotated: dict[str, datetime] = field(default_factory=dict)
    refreshes: set[str] = field(default_factory=set)
    placed: dict[str, dict[str, Any]] = field(default_factory=dict)
    reused: int = 0
    gate: asyncio.Event | None = None
    """While it is closed, a refresh waits for its answer."""
    canned: dict[tuple[str, str], httpx.Response] = field(default_factory=dict)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        if self.gate is not None and request.url.path.endswith("/auth/refresh"):
            await self.gate.wait()
        failure = self.failures.popleft() if self.failures else "none"
        if failure == "refused-connection":
            raise httpx.ConnectError("connection refused", request=request)
        if failure.startswith("503"):
            wait = failure.partition(":")[2]
            return problem(503, "busy", headers={"Retry-After": wait} if wait else {})
        if failure.startswith("429"):
            return problem(429, "too-many-requests", headers={"Retry-After": failure.partition(":")[2] or "1"})
        if failure == "in-progress":
            return problem(409, "request-in-progress", headers={"Retry-After": "1"})
        if failure == "html":
            return httpx.Response(502, html="<h1>Bad gateway</h1>")
        response = self.work(request)
        if failure == "cut":
            raise httpx.ReadError("connection reset", request=request)
        if failure == "slow":
            raise httpx.ReadTimeout("", request=request)
        return response

    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path.removeprefix('/api/v1')}" for request in self.requests]

    def grant(self) -> dict[str, Any]:
        access, refresh = f"a-{uuid4()}", f"r-{uuid4()}"
        self.access.add(access)
        self.refreshes.add(refresh)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": refresh,
            "refresh_expires_in": 2592000,
        }

    def work(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        path = request.url.path.removeprefix("/api/v1")
        if path == "/auth/login":
            good = body["password"] == PASSWORD
            return httpx.Response(200, json=self.grant()) if good else problem(401, "sign-in-failed")
        if path == "/auth/refresh":
            return self.refresh(body["refresh_token"])
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.access:
            return problem(401, "not-authenticated")
        if (canned := self.canned.get((request.method, path))) is not None:
            return canned
        if (request.method, path) == ("POST", "/reservations"):
            return self.place(request.headers.get("idempotency-key") or str(uuid4()), body)
        if path == "/rooms":
            return httpx.Response(200, json={"items": []})
        return httpx.Response(204) if path == "/auth/logout" else problem(404, "not-found")

    def refresh(self, token: str) -> httpx.Response:
        if token in self.refreshes:
            self.refreshes.discard(token)
            self.rotated[token] = self.clock.now
            return httpx.Response(200, json=self.grant())
        if token in self.rotated and self.clock.now - self.rotated[token] < GRACE:
            return problem(409, "refresh-superseded")
        if token in self.rotated:
            self.reused += 1
            self.access.clear()
            self.refreshes.clear()
        return problem(401, "sign-in-again")

    def place(self, key: str, body: dict[str, Any]) -> httpx.Response:
        if key not in self.placed:
            self.placed[key] = {
                **body,
                "id": str(uuid4()),
                "status": "confirmed",
                "version": 1,
                "time_zone": "Asia/Tokyo",
                "starts_at_local": body["starts_at"],
                "ends_at_local": body["ends_at"],
            }
        return httpx.Response(201, json=self.placed[key], headers={"ETag": '"1"'})

    def expire_access_tokens(self) -> None:
        self.access.clear()


WISH: dict[str, Any] = {
    "room_id": 1,
    "starts_at": datetime(2026, 12, 1, 9, tzinfo=UTC),
    "ends_at": datetime(2026, 12, 1, 10, tzinfo=UTC),
    "title": "Weekly review",
}


@dataclass
class Bench:
    """A double, its clock, and clients of it."""

    double: Double
    clock: Clock
    url: str = URL
    password: str = PASSWORD
    wish: dict[str, Any] = field(default_factory=lambda: dict(WISH))
    problem: Callable[..., httpx.Response] = problem

    def client(self, sessions: Sessions | None = None, **patience: Any) -> Client:
        return Client(
            URL,
            session=sessions,
            transport=self.double,
            patience=Patience(sleep=self.clock.sleep, **patience),
            clock=self.clock,
        )


def new_bench() -> Bench:
    clock = Clock()
    return Bench(Double(clock), clock)


@pytest.fixture
def bench() -> Bench:
    return new_bench()


@pytest.fixture
def benches() -> Callable[[], Bench]:
    """A fresh bench a call: for properties that are tried many times."""
    return new_bench


@pytest.fixture
async def signed_in(bench: Bench) -> AsyncIterator[Client]:
    async with bench.client() as client:
        await client.auth.log_in("hanako", bench.password)
        bench.double.requests.clear()
        yield client
