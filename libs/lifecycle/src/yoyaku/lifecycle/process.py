"""Runs the process of a service from its first line to its exit code.

Invariant: SIGTERM and SIGINT end it with 0 once what is in hand is finished; an error ends it with another code and a
CRITICAL line, so that whoever supervises it starts it anew.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version

import uvloop

from yoyaku.messaging.ids import new_event_id
from yoyaku.observability.settings import ObservabilitySettings
from yoyaku.observability.setup import observed


def run_process(
    service: str, run: Callable[[asyncio.Event], Awaitable[None]], *, observability: ObservabilitySettings
) -> None:
    """Run `run` under traces, metrics and logs; its argument is set at SIGTERM or SIGINT. What it raises is raised."""
    with (
        observed(service, version=version_of(service), settings=observability),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_told_to_stop(run))


async def _until_told_to_stop(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(stop)


def version_of(service: str) -> str:
    """Return the version of the distribution that a service is installed from."""
    return version(f"yoyaku-{service}")


def holder_name() -> str:
    """Return a name for this process, for the table of leaders: host, process id, and what tells restarts apart."""
    return f"{socket.gethostname()}/{os.getpid()}/{new_event_id()[-12:]}"


def utc_now() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)
