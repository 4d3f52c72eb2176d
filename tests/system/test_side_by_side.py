"""Two relays and two audit logs side by side: still exactly once, still gap-free."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from yoyaku.embedded.launch import kill_tree, launch
from yoyaku.embedded.ports import choose_port
from yoyaku.embedded.system import System
from yoyaku.testkit.people import People
from yoyaku.testkit.waiting import eventually

BOOKINGS = 600
CONFIRMED = "booking.reservation.confirmed.v1"


@contextmanager
def twin(system: System, name: str, folder: Path, *module: str) -> Iterator[tuple["Popen[bytes]", int]]:
    """Run a second process of a service beside the supervised one, with the same identity and database."""
    port = choose_port()
    prefix = {"booking-worker": "BOOKING_", "audit-log": "AUDIT_LOG_"}[name]
    environment = system.environment_of(name) | {f"{prefix}HEALTH_PORT": str(port)}
    with (folder / f"twin-{name}.log").open("wb") as output:
        process = launch([sys.executable, "-m", *module], env=environment, output=output)
        try:
            yield process, port
        finally:
            kill_tree(process)


async def alive(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/health/live")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.requirement("EV-03", "AU-01")
async def test_two_relays_and_two_audit_logs_record_each_fact_once_and_the_twin_takes_over(
    system: System, people: People, tmp_path: Path
) -> None:
    rooms = [await people.room() for _ in range(10)]
    headers = await people.person("twins")
    with (
        twin(system, "booking-worker", tmp_path, "yoyaku.booking", "worker") as (_, relay_port),
        twin(system, "audit-log", tmp_path, "yoyaku.audit_log") as (_, audit_port),
    ):
        for port in (relay_port, audit_port):
            await eventually(lambda port=port: alive(port), bool)

        async def book(slot: int) -> str:
            wish = people.wish(rooms[slot % 10], slot // 10)
            answer = await people.http.post("/api/v1/reservations", json=wish, headers=headers)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        first = await asyncio.gather(*(book(slot) for slot in range(BOOKINGS // 2)))
        system.kill("audit-log")
        system.kill("booking-worker")
        second = await asyncio.gather(*(book(slot) for slot in range(BOOKINGS // 2, BOOKINGS)))

        async def recorded() -> Counter[str]:
            answer = await people.http.get("/api/v1/audit/entries", params={"limit": 1}, headers=await people.admin())
            if answer.status_code == 503:  # between the killed leader and its twin
                return Counter()
            entries = await people.audit_entries()
            assert [entry["position"] for entry in entries] == list(range(len(entries)))
            assert max(Counter((e["source"], e["number"]) for e in entries).values()) == 1
            return Counter(
                e["body"]["reservation_id"] for e in entries if e["type"] == CONFIRMED and e["body"]["room_id"] in rooms
            )

        seen = await eventually(recorded, lambda counted: counted.total() >= BOOKINGS)
        assert seen == Counter([*first, *second])
    await system.wait_ready("audit-log")
    await system.wait_ready("booking-worker")
