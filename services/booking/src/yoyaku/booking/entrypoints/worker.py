"""The worker's process: the outbox relay, the copy of the blocks, expiry."""

import asyncio
import signal

import uvloop

from yoyaku.booking.settings import SERVICE, WorkerSettings
from yoyaku.booking.wiring import VERSION, run_worker
from yoyaku.observability.setup import observed


async def _until_told_to_stop(settings: WorkerSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_worker(settings, stop)


def main() -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way."""
    settings = WorkerSettings()
    with (
        observed(SERVICE, version=VERSION, settings=settings.observability),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_told_to_stop(settings))
