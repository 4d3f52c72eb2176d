"""A candidate in a process of its own, to be killed or stopped. Prints `leading <epoch>` when it takes over."""

import asyncio
import json
import os
import signal

from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def main() -> None:
    arguments = json.loads(os.environ["TEST_ARGUMENTS"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def run(lease: Lease) -> None:
        say(f"leading {lease.epoch}")
        await stop.wait()

    settings = PostgresSettings.model_validate(arguments["database"])
    async with connected_pool(settings, application_name="leader") as pool:
        say("started")
        await Leadership(pool, "sealer", holder="child", ttl_seconds=arguments["ttl_seconds"]).lead(run, stop)


asyncio.run(main())
