"""Bodies that do not arrive: the wait is bounded and the refusal is the client's fault, not ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from yoyaku.booking.entrypoints.http import bodies
from yoyaku.booking.entrypoints.http.problems import Problem
from yoyaku.booking.entrypoints.http.schemas.sign_in import LogInInput


def request_of(receive: Callable[[], Awaitable[Message]]) -> Request:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    return Request(scope, receive)


@pytest.mark.requirement("GW-04")
async def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b" ", "more_body": True}

    with pytest.raises(Problem) as caught:
        async with asyncio.timeout(20):
            await bodies.read_body(request_of(receive), LogInInput)
    assert (caught.value.status, caught.value.code) == (408, "body-too-slow")
    assert caught.value.headers["Connection"] == "close"


@pytest.mark.requirement("GW-02")
async def test_a_body_that_breaks_off_is_the_clients_fault() -> None:
    async def messages() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        yield {"type": "http.disconnect"}

    coming = messages()
    with pytest.raises(Problem) as caught:
        await bodies.read_body(request_of(lambda: anext(coming)), LogInInput)
    assert (caught.value.status, caught.value.code) == (400, "body-incomplete")
