"""People who book, as fast as they are answered: `python -m loadtests.booking_load < plan.json > result.json`.

One process of its own, raw HTTP/1.1 over kept connections, one request at a time on each. Every request asks for a slot
that nobody else has; anything but 201 is counted apart. Latencies are of the measured part only.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import uvloop

FIRST_DAY = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass
class Tally:
    """What was seen between `began` and the end."""

    began: float
    ends: float
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def add(self, status: str, sent: float, answered: float) -> None:
        if sent < self.began or answered > self.ends:
            return
        self.latencies.append(answered - sent)
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Person(asyncio.Protocol):
    """One connection that books one slot after another in a room of its own."""

    def __init__(self, head: bytes, room_id: int, first_slot: int, tally: Tally) -> None:
        self._head = head
        self._room_id = room_id
        self._slot = first_slot
        self._tally = tally
        self._buffer = b""
        self._sent = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport, though they are like one.
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._buffer.lower().find(b"content-length:", 0, end)
        length = int(self._buffer[at + 15 : self._buffer.index(b"\r\n", at)])
        if len(self._buffer) < end + 4 + length:
            return
        status = self._buffer[9:12].decode()
        self._buffer = b""
        now = time.perf_counter()
        self._tally.add(status, self._sent, now)
        if now > self._tally.ends:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        starts_at = FIRST_DAY + timedelta(minutes=30 * self._slot)
        self._slot += 1
        body = json.dumps(
            {
                "room_id": self._room_id,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
                "title": "Weekly review",
            }
        ).encode()
        self._sent = time.perf_counter()
        self._transport.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)


async def book(plan: dict[str, Any]) -> dict[str, Any]:
    """Do what the plan says."""
    now = time.perf_counter()
    tally = Tally(now + plan["warmup_seconds"], now + plan["warmup_seconds"] + plan["seconds"])
    heads = [
        (
            f"POST /api/v1/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        for token in plan["tokens"]
    ]
    loop = asyncio.get_running_loop()
    people = []
    for number in range(plan["connections"]):
        room = plan["rooms"][number % len(plan["rooms"])]
        head = heads[number % len(heads)]

        def make(head: bytes = head, room: int = room) -> Person:
            return Person(head, room, plan["first_slot"], tally)

        _, person = await loop.create_connection(make, plan["host"], plan["port"])
        people.append(person.done)
    await asyncio.gather(*people)
    latencies = sorted(tally.latencies)
    return {
        "per_second": tally.statuses.get("201", 0) / plan["seconds"],
        "statuses": tally.statuses,
        "p50_ms": 1000 * latencies[len(latencies) // 2] if latencies else None,
        "p95_ms": 1000 * latencies[int(len(latencies) * 0.95)] if latencies else None,
    }


def main() -> None:
    uvloop.install()
    json.dump(asyncio.run(book(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
