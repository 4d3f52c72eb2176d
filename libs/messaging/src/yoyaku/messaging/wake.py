"""Tells the relays of a service, over the bus, that something was committed.

A wake-up is a hint: the relay polls anyway, so one that is lost costs half a second and nothing else. That is why the
waker may be as careless as it is: it coalesces, never raises and never makes the committing task wait.
"""

import asyncio
from typing import Final

import nats.errors
from loguru import logger

from yoyaku.contracts.subjects import wake_subject
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.publishing import connection_of

COALESCE_SECONDS: Final = 0.002
"""One wake-up speaks for every commit of the process in this time."""


class Waker:
    """Publishes on `wake.outbox.<service>`, at most once per 2 ms. Pass the object itself as `Outbox(wake=...)`."""

    def __init__(self, broker: ServiceBroker, *, service: str) -> None:
        self._broker = broker
        self._subject = wake_subject(service)
        self._scheduled = False
        self._sending: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Wake the relays soon. Must be called inside a running event loop."""
        if self._scheduled or not self._broker.is_connected:
            return
        self._scheduled = True
        asyncio.get_running_loop().call_later(COALESCE_SECONDS, self._start)

    def _start(self) -> None:
        self._scheduled = False
        if self._sending is not None and not self._sending.done():
            return
        self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        connection = connection_of(self._broker)
        if connection is None:
            return
        try:
            await connection.publish(self._subject)
        except (nats.errors.Error, OSError) as error:
            logger.bind(cause=str(error)).debug("wake-up was not sent")
