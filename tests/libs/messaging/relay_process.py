"""A relay in a process of its own, to be killed or stopped. Arguments as JSON in TEST_ARGUMENTS.

With `hold`, it claims and then hangs in front of the bus, as a relay does that was stopped at the worst moment.
"""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.publishing import Message, Outcome, PipelinedPublisher
from yoyaku.messaging.relay import Relay
from yoyaku.messaging.settings import NatsSettings
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def hang(_: PipelinedPublisher, messages: Sequence[Message]) -> list[Outcome]:
    say(f"claimed {len(messages)}")
    await asyncio.Event().wait()
    return []


async def main() -> None:
    arguments = json.loads(os.environ["TEST_ARGUMENTS"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if arguments.get("hold"):
        PipelinedPublisher.publish = hang  # type: ignore[method-assign]
    bus = NatsSettings(url=arguments["nats_url"], nkey_seed_file=Path(arguments["seed_file"]))
    settings = PostgresSettings.model_validate(arguments["database"])
    broker = make_broker(bus, service="booking")
    async with connected_pool(settings, application_name="relay") as pool:
        await start_broker(broker, stop=stop)
        say("started")
        await Relay(pool, broker, service="booking", **arguments.get("options", {})).run(stop)
    await broker.stop()


asyncio.run(main())
