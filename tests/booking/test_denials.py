"""A log-out is honoured by every gateway process, through crashes and restarts of what carries the news (ID-04)."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from yoyaku.contracts.denials import denial_key
from yoyaku.messaging.kv import kv_read
from yoyaku.messaging.topology import DENIED_TOKENS
from yoyaku.testkit.servers import NatsServer

PASSWORD = "kaigishitsu wo yoyaku 7"
Eventually = Callable[..., Awaitable[None]]


class Pair:
    """Two gateways on one database and one bus; the worker, which repairs, starts when the test wants it."""

    def __init__(self, house: Any, second: Any, client: httpx.AsyncClient) -> None:
        self.house = house
        self.second = second
        self.clients = (house.client, client)

    async def sign_in(self) -> dict[str, Any]:
        body = {"user_id": "hanako", "password": PASSWORD}
        answer = await self.clients[0].post("/api/v1/auth/login", json=body)
        tokens: dict[str, Any] = answer.json()
        assert [await self.enters(tokens, number) for number in (0, 1)] == [True, True]
        return tokens

    async def enters(self, tokens: dict[str, Any], number: int) -> bool:
        answer = await self.clients[number].get("/api/v1/users/me", headers=self.bearer(tokens))
        assert answer.status_code in {200, 401}, answer.text
        return bool(answer.status_code == 200)

    async def sign_out(self, tokens: dict[str, Any]) -> None:
        answer = await self.clients[0].post("/api/v1/auth/logout", headers=self.bearer(tokens))
        assert answer.status_code == 204, answer.text
        assert not await self.enters(tokens, 0)

    def bearer(self, tokens: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    async def bucket(self) -> dict[str, bytes]:
        client = await self.house.service.bus.connect()
        try:
            return await kv_read(client.jetstream(), DENIED_TOKENS)
        finally:
            await client.close()


@pytest_asyncio.fixture
async def pair(own_house: Any, booking_service: Any, tmp_path: Any) -> AsyncIterator[Pair]:
    first = own_house.service
    folder = tmp_path / "second"
    folder.mkdir()
    second = booking_service.make(first.database, first.bus, first.secrets, folder)
    second.overrides["BOOKING_BUS_PATIENCE_SECONDS"] = "0.5"
    await second.start_gateway()
    async with httpx.AsyncClient(base_url=second.url, timeout=30, trust_env=False) as client:
        yield Pair(own_house, second, client)
    second.stop()


async def commit_and_be_killed(pair: Pair) -> tuple[str, str]:
    """Leave what a process leaves that is killed between commit and push: the committed row and nothing else."""
    kind, value, now = "session", str(uuid4()), datetime.now(UTC)
    connection = await asyncpg.connect(**pair.house.service.database.service.connect_arguments("tests"))
    try:
        insert = "INSERT INTO denial (kind, value, until) VALUES ($1, $2, $3)"
        await connection.execute(insert, kind, value, now + timedelta(minutes=15))
    finally:
        await connection.close()
    return kind, value


@pytest.mark.requirement("ID-04")
async def test_through_the_bus_without_it_and_after_it_lost_everything(
    pair: Pair, nats_server: NatsServer, eventually: Eventually
) -> None:
    gone = []

    async def refused_by_the_other() -> bool:
        return not await pair.enters(gone[-1], 1)

    signed_in = [await pair.sign_in() for _ in range(3)]
    for tokens in signed_in:
        gone.append(tokens)
        await pair.sign_out(tokens)
        await eventually(refused_by_the_other, within_seconds=2)
    assert len(await pair.bucket()) == 2 * len(gone)
    pair.house.service.launch("worker")
    crashed = denial_key(*await commit_and_be_killed(pair))

    async def repaired_after_the_crash() -> bool:
        return crashed in await pair.bucket()

    await eventually(repaired_after_the_crash)
    keys = set(await pair.bucket())

    away = await pair.sign_in()
    nats_server.kill()
    gone.append(away)
    await pair.sign_out(away)
    await eventually(refused_by_the_other)

    pair.second.processes[0].send_signal(signal.SIGTERM)
    pair.second.processes[0].wait(30)
    await pair.second.start_gateway()
    assert not any([await pair.enters(tokens, 1) for tokens in gone])

    nats_server.restart()
    await pair.house.service.bus.reset()

    async def repaired() -> bool:
        return set(await pair.bucket()) > keys

    await eventually(repaired)
    assert not any([await pair.enters(tokens, number) for tokens in gone for number in (0, 1)])
    assert await pair.enters(await pair.sign_in(), 1)
