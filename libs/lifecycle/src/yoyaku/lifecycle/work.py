"""What a service does all day: several pieces of work side by side, until it is told to stop.

Invariant: no piece of work is missed. One that fails, or ends before it was told to, ends the others and then the
process, with a CRITICAL line that names it; from that moment on the process is not ready.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from loguru import logger
from nats.errors import Error as NatsError

from yoyaku.messaging.broker import ServiceBroker, jetstream, start_broker
from yoyaku.messaging.provision import report_drift
from yoyaku.messaging.waiting import ended
from yoyaku.observability.health import Health
from yoyaku.observability.health_server import health_server

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Goes on until its argument is set, then finishes what is in hand and returns; waits out what may be away."""


class WorkEndedError(RuntimeError):
    """Work that goes on for as long as the process does has ended by itself: a defect."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} ended without being told to")
        self.name = name


async def work_until(stop: asyncio.Event, works: Mapping[str, Work], *, health: Health) -> None:
    """Do all the works side by side until `stop` is set and each has returned; unready from `stop` on.

    When a work raises, or returns too early, `stop` is set, the others are cancelled, and an ExceptionGroup with its
    error (WorkEndedError for the latter) is raised.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_drain(health, stop))
        for name, work in works.items():
            tasks.create_task(_attended(name, work, stop), name=name)


async def serve_until(
    stop: asyncio.Event, works: Mapping[str, Work], *, broker: ServiceBroker, health: Health, health_port: int
) -> None:
    """Answer for the health of the process, connect to the bus, and then do as `work_until` does.

    Raises OSError when the port is taken, BusError when the bus refuses this service, and what `work_until` raises.
    """
    async with health_server(health, port=health_port), started(broker, stop) as connected:
        if connected:
            await work_until(stop, works, health=health)


@asynccontextmanager
async def in_background(name: str, work: Coroutine[Any, Any, None], *, end: Callable[[], None]) -> AsyncIterator[None]:
    """Do work beside the block, for programs that others run; it is cancelled when the block ends.

    When it raises, that is logged and `end` is called, which has to end the process.
    """

    def note(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.bind(work=name).opt(exception=error).critical("background work failed, the process ends")
            end()

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(note)
    try:
        yield
    finally:
        await ended(task)


async def _attended(name: str, work: Work, stop: asyncio.Event) -> None:
    try:
        await work(stop)
        if not stop.is_set():
            raise WorkEndedError(name)
    except Exception as error:
        # Cancelling once may not end the others: a loop that lost its cancellation still sees `stop`.
        stop.set()
        logger.bind(work=name, error=type(error).__name__).critical("background work failed, the process ends")
        raise


async def _drain(health: Health, stop: asyncio.Event) -> None:
    try:
        await stop.wait()
    finally:
        health.drain()


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do work that knows of no `stop`, and cancel it when `stop` is set. What it raises before is raised."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        stopping.cancel()
        await ended(working)


@asynccontextmanager
async def started(broker: ServiceBroker, stop: asyncio.Event) -> AsyncIterator[bool]:
    """Connect to the bus and disconnect after the block; `False` when `stop` came before the bus answered.

    Raises BusError when the bus refuses this service.
    """
    try:
        yield await connect(broker, stop=stop)
    finally:
        await disconnect(broker)


async def connect(broker: ServiceBroker, *, stop: asyncio.Event) -> bool:
    """Connect to the bus, waiting for it; `False` when `stop` came first. What differs there is logged, never mended.

    Raises BusError when the bus refuses this service.
    """
    if not await start_broker(broker, stop=stop):
        return False
    await report_drift(jetstream(broker), service=broker.service)
    return True


async def disconnect(broker: ServiceBroker) -> None:
    """Close the connection; one that is just being made anew has nothing to hand in."""
    with suppress(NatsError):
        await broker.stop()
