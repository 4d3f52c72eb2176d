"""People who sign in: `python -m loadtests.sign_in_burst < plan.json > result.json`.

One process of its own, raw HTTP/1.1. A burst opens every connection first and then sends all sign-ins at once; a stream
signs in again as soon as it is answered, until its time is over. Latencies are in seconds, from the sending.
"""

import asyncio
import json
import sys
import time
from itertools import count
from typing import Any

import uvloop


async def sign_in(plan: dict[str, Any], number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Sign one person in on an open connection and return the status."""
    user_id = plan["people"][number % len(plan["people"])]
    body = json.dumps({"user_id": user_id, "password": plan["password"]}).encode()
    writer.write(
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return head[9:12].decode()


async def burst(plan: dict[str, Any]) -> dict[str, Any]:
    """Sign in on every connection at once."""
    opened = [await asyncio.open_connection(plan["host"], plan["port"]) for _ in range(plan["at_once"])]
    began = time.perf_counter()

    async def one(number: int) -> tuple[str, float]:
        status = await sign_in(plan, number, *opened[number])
        return status, time.perf_counter() - began

    answers = await asyncio.gather(*(one(number) for number in range(len(opened))))
    for _, writer in opened:
        writer.close()
    return {"statuses": sorted({status for status, _ in answers}), "seconds": sorted(took for _, took in answers)}


async def stream(plan: dict[str, Any]) -> dict[str, Any]:
    """Sign in again and again on some connections."""
    ends = time.perf_counter() + plan["seconds"]
    numbers = count()
    statuses: set[str] = set()
    answered = 0

    async def one() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection(plan["host"], plan["port"])
        while time.perf_counter() < ends:
            statuses.add(await sign_in(plan, next(numbers), reader, writer))
            answered += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(plan["at_once"])))
    return {"statuses": sorted(statuses), "per_second": answered / plan["seconds"]}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump(uvloop.run(stream(given) if "seconds" in given else burst(given)), sys.stdout)
