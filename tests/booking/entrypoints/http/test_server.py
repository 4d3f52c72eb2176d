"""The gateway's processes on bad days: signals, kills, a database and a bus that go away."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from yoyaku.contracts.blocks import BlockKind, BlockValue, kv_key
from yoyaku.messaging.kv import kv_delete, kv_put_with_ttl
from yoyaku.messaging.topology import BLOCKS
from yoyaku.testkit.servers import NatsServer, PostgresServer

Eventually = Callable[..., Awaitable[None]]
Slots = Callable[..., dict[str, str]]


def workers_of(process: Any) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.requirement("GW-07")
async def test_sigterm_under_load_answers_what_was_accepted(own_house: Any, next_slot: Slots) -> None:
    room = await own_house.make_room()
    process = own_house.service.processes[0]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    answered: list[int] = []
    cut: list[Exception] = []

    async def person() -> None:
        # A fresh connection a request: one that was accepted is answered, one that was not is refused by the kernel.
        while True:
            try:
                async with httpx.AsyncClient(base_url=own_house.service.url, timeout=20, trust_env=False) as client:
                    body = {"room_id": room["id"], "title": "x", **next_slot()}
                    answer = await client.post("/api/v1/reservations", json=body, headers=own_house.hanako)
                answered.append(answer.status_code)
            except httpx.ConnectError:
                return
            except httpx.HTTPError as error:
                cut.append(error)
                return

    people = [asyncio.create_task(person()) for _ in range(20)]
    while len(answered) < 60:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    stopping.set()
    code = await loop.run_in_executor(None, process.wait, 40)
    await asyncio.gather(*people)
    assert code == 0, own_house.service.log()
    assert set(answered) == {201}
    assert not cut, cut


@pytest.mark.requirement("GW-07")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "left"])
async def test_a_worker_that_was_killed_or_left_is_replaced(
    own_house: Any, eventually: Eventually, number: signal.Signals
) -> None:
    process = own_house.service.processes[0]
    (first,) = workers_of(process)
    first.send_signal(number)

    async def replaced() -> bool:
        return [worker.pid for worker in workers_of(process)] not in ([], [first.pid])

    await eventually(replaced)
    await own_house.service.wait_until_ready()
    assert (await own_house.client.get("/api/v1/rooms", headers=own_house.admin)).status_code == 200


@pytest.mark.requirement("GW-07")
async def test_workers_do_not_outlive_their_parent(own_house: Any, eventually: Eventually) -> None:
    process = own_house.service.processes[0]
    children = workers_of(process)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    async def gone() -> bool:
        return not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)

    await eventually(gone)


@pytest.mark.requirement("GW-06")
async def test_without_postgres_503_and_back_without_a_restart(
    own_house: Any, postgres_server: PostgresServer, eventually: Eventually, next_slot: Slots
) -> None:
    room = await own_house.make_room()
    postgres_server.kill()
    refused = await own_house.place(room["id"])
    assert (refused.status_code, refused.json()["code"]) == (503, "database-unavailable"), refused.text
    assert refused.headers["Retry-After"]
    login = await own_house.client.post("/api/v1/auth/login", json={"user_id": "hanako", "password": "x"})
    assert login.status_code == 503

    async def unready() -> bool:
        return bool((await own_house.client.get("/health/ready")).status_code == 503)

    await eventually(unready)
    assert (await own_house.client.get("/health/live")).status_code == 200
    postgres_server.restart()

    async def back() -> bool:
        return bool((await own_house.place(room["id"], next_slot())).status_code == 201)

    await eventually(back)
    await own_house.service.wait_until_ready()


@pytest.mark.requirement("GW-05", "GW-06")
async def test_bookings_go_on_without_nats_and_events_follow(
    own_house: Any, nats_server: NatsServer, eventually: Eventually
) -> None:
    room = await own_house.make_room()
    own_house.service.launch("worker")
    nats_server.kill()
    ids = []
    for _ in range(5):
        made = await own_house.place(room["id"])
        assert made.status_code == 201, made.text
        ids.append(made.json()["id"])
    assert (await own_house.client.get("/health/ready")).status_code == 200
    away = await own_house.client.get("/api/v1/audit/entries", headers=own_house.admin)
    assert (away.status_code, away.json()["code"]) == (503, "service-unavailable")
    nats_server.restart()
    client = await own_house.service.bus.connect()

    async def published() -> bool:
        info = await client.jetstream().stream_info("BOOKING", subjects_filter="booking.reservation.confirmed.v1")
        return sum((info.state.subjects or {}).values()) == len(ids)

    await eventually(published)
    await client.close()


def block(address: str, seconds: float) -> tuple[str, BlockValue]:
    value = BlockValue(
        kind=BlockKind.ADDRESS,
        value=address,
        until=datetime.now(UTC) + timedelta(seconds=seconds),
        reason="brute-force",
        rule="failed-sign-ins",
        incident_id="i",
        block_id="b",
    )
    return kv_key("address", address), value


def from_address(house: Any, address: str) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    return httpx.AsyncClient(base_url=house.service.url, transport=transport, timeout=20)


@pytest.mark.requirement("SD-03", "GW-05")
async def test_a_blocked_address_is_refused_and_its_neighbour_is_not(own_house: Any, eventually: Eventually) -> None:
    client = await own_house.service.bus.connect()
    js = client.jetstream()
    key, value = block("127.0.0.2", 300)
    await kv_put_with_ttl(js, BLOCKS, key, value.to_bytes(), 300)
    async with from_address(own_house, "127.0.0.2") as attacker, from_address(own_house, "127.0.0.3") as neighbour:

        async def refused() -> bool:
            answer = await attacker.get("/api/v1/rooms", headers=own_house.hanako)
            return bool(answer.status_code == 403 and answer.json()["code"] == "address-blocked")

        await eventually(refused)
        answer = await attacker.get("/api/v1/rooms", headers=own_house.hanako)
        assert int(answer.headers["Retry-After"]) > 200
        assert (await neighbour.get("/api/v1/rooms", headers=own_house.hanako)).status_code == 200
        assert (await attacker.get("/health/live")).status_code == 200
        await kv_delete(js, BLOCKS, key)

        async def let_in() -> bool:
            return not await refused()

        await eventually(let_in)
    await client.close()


@pytest.mark.requirement("SD-03")
async def test_a_block_ends_by_the_gateways_own_clock(own_house: Any, eventually: Eventually) -> None:
    client = await own_house.service.bus.connect()
    key, value = block("127.0.0.2", 1.5)
    await kv_put_with_ttl(client.jetstream(), BLOCKS, key, value.to_bytes(), 300)
    async with from_address(own_house, "127.0.0.2") as attacker:

        async def status() -> int:
            return (await attacker.get("/api/v1/rooms", headers=own_house.hanako)).status_code

        async def refused() -> bool:
            return await status() == 403

        async def let_in() -> bool:
            return await status() == 200

        await eventually(refused)
        await eventually(let_in)
    await client.close()


@pytest.mark.requirement("GW-05")
async def test_a_gateway_that_starts_without_nats_knows_the_blocks(
    own_house: Any, nats_server: NatsServer, eventually: Eventually
) -> None:
    service = own_house.service
    service.launch("worker")
    client = await service.bus.connect()
    key, value = block("127.0.0.2", 300)
    await kv_put_with_ttl(client.jetstream(), BLOCKS, key, value.to_bytes(), 300)
    await client.close()
    copy = PostgresCopy(service)
    await eventually(copy.holds_one)
    gateway = service.processes[0]
    nats_server.kill()
    gateway.send_signal(signal.SIGTERM)
    gateway.wait(30)
    service.overrides["BOOKING_BUS_PATIENCE_SECONDS"] = "0.5"
    await service.start_gateway()
    async with from_address(own_house, "127.0.0.2") as attacker:
        answer = await attacker.get("/api/v1/rooms", headers=own_house.hanako)
    assert (answer.status_code, answer.json()["code"]) == (403, "address-blocked")
    nats_server.restart()


class PostgresCopy:
    """Looks into the copy of the blocks."""

    def __init__(self, service: Any) -> None:
        self._service = service

    async def holds_one(self) -> bool:
        connection = await asyncpg.connect(**self._service.database.admin.connect_arguments("tests"))
        try:
            return bool(await connection.fetchval("SELECT count(*) FROM block_copy") == 1)
        finally:
            await connection.close()
