"""The worker as a real process on a real bus and a real database."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from yoyaku.embedded.ports import choose_port

Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def start_worker(service: Any) -> Callable[[], tuple["subprocess.Popen[bytes]", Callable[[], Awaitable[bool]]]]:
    """`start_worker()` gives a worker whose expiry comes round often, and what tells whether it is ready."""

    def start() -> tuple["subprocess.Popen[bytes]", Callable[[], Awaitable[bool]]]:
        port = choose_port()
        service.overrides |= {"BOOKING_HEALTH_PORT": str(port), "BOOKING_EXPIRY_SECONDS": "0.1"}
        process = service.launch("worker")

        async def is_ready() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
                    return (await client.get(f"http://127.0.0.1:{port}/health/ready")).json()["status"] == "pass"
            except httpx.HTTPError:
                return False

        return process, is_ready

    return start


def critical_lines(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if line["level"] == "CRITICAL"]


@pytest.mark.requirement("GW-07")
async def test_told_to_stop_it_ends_well(service: Any, start_worker: Any, eventually: Eventually) -> None:
    process, is_ready = start_worker()
    await eventually(is_ready)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert critical_lines(service.log("worker")) == []


async def test_expiry_that_meets_a_defect_ends_the_process(
    service: Any, start_worker: Any, eventually: Eventually
) -> None:
    process, is_ready = start_worker()
    await eventually(is_ready)
    owner = await asyncpg.connect(**service.database.owner.connect_arguments("test"))
    await owner.execute("ALTER TABLE block_copy RENAME TO something_else")
    await owner.close()
    assert await asyncio.to_thread(process.wait, 30) not in {0, None}
    (work, whole) = critical_lines(service.log("worker"))
    assert "expiry" in json.dumps(work)
    assert "uncaught" in json.dumps(whole)


async def test_a_bus_that_refuses_its_identity_ends_the_process(
    service: Any, start_worker: Any, eventually: Eventually
) -> None:
    service.overrides["BOOKING_NATS__NKEY_SEED_FILE"] = str(service.secrets.nkey_seed_file("stranger"))
    process, _ = start_worker()
    assert await asyncio.to_thread(process.wait, 30) not in {0, None}
    assert critical_lines(service.log("worker"))


async def test_with_the_database_away_it_waits_and_goes_on(
    service: Any, start_worker: Any, postgres_server: Any, eventually: Eventually
) -> None:
    process, is_ready = start_worker()
    await eventually(is_ready)
    postgres_server.kill()

    async def is_unready() -> bool:
        return not await is_ready()

    await eventually(is_unready)
    postgres_server.restart()
    await eventually(is_ready)
    assert process.poll() is None
