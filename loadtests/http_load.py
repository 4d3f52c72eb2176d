"""People who book or read as fast as they are answered: `python -m loadtests.http_load < plan.json > result.json`.

One process of its own, raw HTTP/1.1 over kept connections, one request at a time on each. Every booking asks for a slot
that nobody else has; statuses are counted apart. Latencies are of the measured part only.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice
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
    answered: int = 0
    """Every answer, the warm-up's too."""

    def add(self, status: str, sent: float, answered: float) -> None:
        self.answered += 1
        if sent < self.began or answered > self.ends:
            return
        self.latencies.append(answered - sent)
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Person(asyncio.Protocol):
    """One connection that sends one request after another."""

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self._requests = requests
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
        request = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)


def bookings(token: str, room_id: int, first_slot: int) -> Iterator[bytes]:
    """Ask for one slot after another in a room of one's own."""
    head = (
        f"POST /api/v1/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    for slot in count(first_slot):
        starts_at = FIRST_DAY + timedelta(minutes=30 * slot)
        body = json.dumps(
            {
                "room_id": room_id,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
                "title": "Weekly review",
            }
        ).encode()
        yield head + str(len(body)).encode() + b"\r\n\r\n" + body


def reads(token: str, paths: Sequence[str], first: int) -> Iterator[bytes]:
    """Ask for the paths in turn, from one of them on."""
    told = f"Host: localhost\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\r\n"
    requests = [f"GET {path} HTTP/1.1\r\n{told}".encode() for path in paths]
    return islice(cycle(requests), first % len(requests), None)


async def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Do what the plan says."""
    now = time.perf_counter()
    tally = Tally(now + plan["warmup_seconds"], now + plan["warmup_seconds"] + plan["seconds"])
    loop = asyncio.get_running_loop()
    people = []
    for number in range(plan["connections"]):
        token = plan["tokens"][number % len(plan["tokens"])]
        if plan["paths"]:
            requests = reads(token, plan["paths"], number)
        else:
            requests = bookings(token, plan["rooms"][number % len(plan["rooms"])], plan["first_slot"])

        def make(requests: Iterator[bytes] = requests) -> Person:
            return Person(requests, tally)

        _, person = await loop.create_connection(make, plan["host"], plan["port"])
        people.append(person.done)
    await asyncio.gather(*people)
    latencies = sorted(tally.latencies)
    return {
        "per_second": len(latencies) / plan["seconds"],
        "answered": tally.answered,
        "statuses": tally.statuses,
        "p50_ms": 1000 * latencies[len(latencies) // 2] if latencies else None,
        "p95_ms": 1000 * latencies[int(len(latencies) * 0.95)] if latencies else None,
    }


def main() -> None:
    uvloop.install()
    json.dump(asyncio.run(drive(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
