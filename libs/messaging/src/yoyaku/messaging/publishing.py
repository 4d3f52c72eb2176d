"""Pipelined publishing to JetStream with one acknowledgement awaited per message, in order.

Why not `publish_async`: here a whole batch leaves in one go of the event loop and therefore on one connection, so that
after a broken connection the stream holds a prefix of the batch and never a later message without an earlier one;
and one future a batch instead of several objects a message is what makes 10,000 events/s possible on one core.

Invariant: an outcome without a `failure` was acknowledged by the stream; anything else may or may not have been stored,
and is safe to publish again under the same `Nats-Msg-Id`.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import Header

from yoyaku.messaging.broker import ServiceBroker

ACK_TIMEOUT_SECONDS: Final = 5.0
_CONNECTION_CHECK_SECONDS: Final = 0.1
_NO_RESPONDERS: Final = "503"
_STORE_FAILED: Final = 10077

FAILURE_CONNECTION: Final = "connection lost"
FAILURE_TIMEOUT: Final = "no acknowledgement in time"
FAILURE_NO_STREAM: Final = "no stream takes the subject"
FAILURE_FULL: Final = "stream is full"


@dataclass(frozen=True, slots=True)
class Message:
    """One message for a stream; `headers` holds its `Nats-Msg-Id`."""

    subject: str
    data: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Outcome:
    """What became of one message: `failure` is None exactly when the stream acknowledged it."""

    failure: str | None = FAILURE_TIMEOUT
    stream: str = ""
    duplicate: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class _Batch:
    outcomes: list[Outcome]
    started_at: float
    waiting: int
    answered: set[int] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)


def connection_of(broker: ServiceBroker) -> Client | None:
    """Return the client of a broker whose connection stands at this moment, else None."""
    return broker.config.broker_config.connection_state.connection if broker.is_connected else None


class PipelinedPublisher:
    """Publishes batches over one connection; several batches may be under way at once."""

    def __init__(self, connection: Client, *, ack_timeout_seconds: float = ACK_TIMEOUT_SECONDS) -> None:
        self._connection = connection
        self._ack_timeout_seconds = ack_timeout_seconds
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._batches: dict[str, _Batch] = {}
        self._last_batch = 0

    async def open(self) -> None:
        """Listen for acknowledgements; must be called once, before the first batch."""
        self._subscription = await self._connection.subscribe(f"{self._inbox}.*.*", cb=self._on_ack)

    async def close(self) -> None:
        """Stop listening; batches under way end with failures."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._connection.is_closed:
            try:
                await subscription.unsubscribe()
            except nats.errors.Error:
                return

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """Publish the messages in order and say for each what became of it.

        Returns when all are answered, after the ack timeout, or soon after the connection broke. Never raises for
        what the bus does.
        """
        self._last_batch += 1
        token = str(self._last_batch)
        batch = _Batch([Outcome() for _ in messages], time.perf_counter(), len(messages))
        self._batches[token] = batch
        generation = self._connection.stats["reconnects"]
        try:
            await self._send(token, batch, messages, generation)
            await self._wait(batch, generation)
        finally:
            del self._batches[token]
        return batch.outcomes

    async def _send(self, token: str, batch: _Batch, messages: Sequence[Message], generation: int) -> None:
        publish = self._connection.publish
        for index, message in enumerate(messages):
            if not self._stands(generation):
                for later in range(index, len(messages)):
                    self._answer(batch, later, FAILURE_CONNECTION)
                return
            try:
                await publish(message.subject, message.data, f"{self._inbox}.{token}.{index}", message.headers)
            except nats.errors.Error as error:
                self._answer(batch, index, f"{type(error).__name__}: {error}")

    async def _wait(self, batch: _Batch, generation: int) -> None:
        deadline = time.perf_counter() + self._ack_timeout_seconds
        while batch.waiting and (left := deadline - time.perf_counter()) > 0:
            try:
                async with asyncio.timeout(min(left, _CONNECTION_CHECK_SECONDS)):
                    await batch.done.wait()
            except TimeoutError:
                if self._stands(generation):
                    continue
                for index in range(len(batch.outcomes)):
                    self._answer(batch, index, FAILURE_CONNECTION)

    def _stands(self, generation: int) -> bool:
        return self._connection.is_connected and self._connection.stats["reconnects"] == generation

    def _answer(self, batch: _Batch, index: int, failure: str | None) -> bool:
        if index in batch.answered:
            return False
        batch.answered.add(index)
        outcome = batch.outcomes[index]
        outcome.failure = failure
        outcome.seconds = time.perf_counter() - batch.started_at
        batch.waiting -= 1
        if batch.waiting == 0:
            batch.done.set()
        return True

    async def _on_ack(self, message: Msg) -> None:
        _, token, index = message.subject.rsplit(".", 2)
        batch = self._batches.get(token)
        if batch is None:
            return
        answer, failure = _read_answer(message)
        if self._answer(batch, int(index), failure) and failure is None:
            outcome = batch.outcomes[int(index)]
            outcome.stream = answer.get("stream", "")
            outcome.duplicate = bool(answer.get("duplicate"))


def _read_answer(message: Msg) -> tuple[dict[str, Any], str | None]:
    if not message.data:
        status = (message.headers or {}).get(Header.STATUS)
        return {}, FAILURE_NO_STREAM if status == _NO_RESPONDERS else f"answered with status {status}"
    try:
        answer = json.loads(message.data)
    except ValueError:
        return {}, "answered with something that is no JSON"
    error = answer.get("error")
    if error is None:
        return answer, None
    if error.get("err_code") == _STORE_FAILED:
        return answer, f"{FAILURE_FULL}: {error.get('description', '')}"
    return answer, str(error.get("description") or error.get("code"))
