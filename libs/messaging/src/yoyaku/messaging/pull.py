"""Prompt pulling from a durable consumer: what is there is handed over at once, and more is asked for meanwhile.

FastStream's batch loop fills a batch until its timeout, and the client's own fetch waits likewise, so that a lone
event on an idle system would wait for seconds. `PromptPull` stands in for the client's subscription inside that
loop: it keeps a pull request open on the server, buffers what arrives, and answers each fetch with the buffer.

Invariant: every message it received is handed over, or given back by `unsubscribe`; none waits for its ack timeout.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from loguru import logger
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeoutError

EXPIRES_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 3.0
REFUSED_PAUSE_SECONDS: Final = 0.5
_HEARTBEAT: Final = "100"
_CONSUMER_MISSING: Final = "503"
_CONFLICT: Final = "409"


class PromptPull:
    """A pull subscription with `fetch` and `unsubscribe` as FastStream's batch subscriber calls them."""

    def __init__(self, connection: Client, *, stream: str, durable: str, batch_size: int) -> None:
        self.consumer_missing = False
        self._connection = connection
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._batch_size = batch_size
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._buffer: deque[Msg] = deque()
        self._handed: list[Msg] = []
        self._outstanding = 0
        self._arrived = asyncio.Event()
        self._heard_at = 0.0
        self._not_before = 0.0

    async def open(self) -> None:
        """Listen on an inbox of its own; asks the server for nothing yet."""
        self._subscription = await self._connection.subscribe(
            self._inbox, cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )

    @property
    def held(self) -> Sequence[Msg]:
        """List what was received and not yet taken over by the handler."""
        return [*self._handed, *self._buffer]

    def taken(self) -> None:
        """Note that what `fetch` returned is now the handler's responsibility."""
        self._handed.clear()

    def forget_requests(self) -> None:
        """Assume that the server no longer knows our requests, as after a reconnection, and ask again."""
        self._outstanding = 0
        self._not_before = 0.0
        self._arrived.set()

    async def fetch(self, batch: int = 1, timeout: float | None = None) -> list[Msg]:  # noqa: ASYNC109  as the client's
        """Return what has arrived, waiting at most `timeout` seconds for a first message and never for a second.

        A fetch for less than a whole batch continues one that already has messages, so it does not wait at all.
        Raises nats.errors.TimeoutError when there is nothing.
        """
        if not self._buffer and batch >= self._batch_size:
            await self._wait(timeout if timeout is not None else EXPIRES_SECONDS)
        if not self._buffer:
            raise NatsTimeoutError
        messages = [self._buffer.popleft() for _ in range(min(batch, len(self._buffer)))]
        self._handed += messages
        await self._request_more()
        return messages

    async def unsubscribe(self) -> None:
        """Stop receiving and give back at once, for immediate redelivery, whatever was not taken over."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            await subscription.drain()  # type: ignore[no-untyped-call]
        except (TimeoutError, Error) as error:
            logger.bind(error=type(error).__name__).warning("a pull subscription could not be drained")
        held, self._handed, self._buffer = self.held, [], deque()
        for message in held:
            await give_back(message)

    async def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._buffer and (left := deadline - time.monotonic()) > 0:
            self._notice_silence()
            self._arrived.clear()
            await self._request_more()
            pause = self._not_before - time.monotonic()
            try:
                async with asyncio.timeout(min(left, pause if pause > 0 else HEARTBEAT_SECONDS)):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _notice_silence(self) -> None:
        if self._outstanding and time.monotonic() - self._heard_at > 2.5 * HEARTBEAT_SECONDS:
            self._outstanding = 0

    async def _request_more(self) -> None:
        """Ask for another batch when less than one is on its way or waiting; at most two are held."""
        now = time.monotonic()
        if (
            self._subscription is None
            or len(self._buffer) + self._outstanding > self._batch_size
            or now < self._not_before
        ):
            return
        request = {
            "batch": self._batch_size,
            "expires": int(EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        if self._outstanding == 0:
            self._heard_at = now
        try:
            await self._connection.publish(self._next_subject, json.dumps(request).encode(), reply=self._inbox)
        except Error:
            self._not_before = now + REFUSED_PAUSE_SECONDS
            return
        self._outstanding += self._batch_size

    async def _on_message(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        status = (message.headers or {}).get("Status") if not message.data and message.subject == self._inbox else None
        if status is None:
            self.consumer_missing = False
            self._outstanding = max(0, self._outstanding - 1)
            self._buffer.append(message)
            self._arrived.set()
        elif status != _HEARTBEAT:
            self._on_end_of_request(status, message.headers or {})

    def _on_end_of_request(self, status: str, headers: dict[str, str]) -> None:
        description = headers.get("Description", "").lower()
        undelivered = headers.get("Nats-Pending-Messages")
        self._outstanding = max(0, self._outstanding - int(undelivered)) if undelivered else 0
        if status == _CONSUMER_MISSING or "consumer deleted" in description:
            self.consumer_missing = True
        if status in (_CONSUMER_MISSING, _CONFLICT):
            self._outstanding = 0
            self._not_before = time.monotonic() + REFUSED_PAUSE_SECONDS
        self._arrived.set()


async def give_back(message: Msg, *, delay_seconds: float | None = None) -> None:
    """Return a message to its stream for redelivery; when the bus is away its ack timeout does the same, later."""
    if message.is_acked:
        return
    try:
        await message.nak(delay=delay_seconds)
    except Error as error:
        logger.bind(subject=message.subject, error=type(error).__name__).warning("a message could not be given back")
