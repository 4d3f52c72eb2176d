"""Consuming through FastStream's batch pull subscriber: starting, watching and stopping one consumer's subscription.

`handling` says what becomes of the events, `pull` how they arrive at once. Invariant: after `stop` returns, every
event that was delivered has been acknowledged, dead-lettered or given back to its stream.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from faststream import AckPolicy
from faststream.nats import JStream, PullSub
from loguru import logger
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.errors import NotFoundError

from yoyaku.messaging.broker import ServiceBroker, jetstream
from yoyaku.messaging.handling import BatchHandling
from yoyaku.messaging.handling import Handler as Handler
from yoyaku.messaging.outcomes import RetryPolicy
from yoyaku.messaging.pull import PromptPull
from yoyaku.messaging.received import ReceivedEvent as ReceivedEvent
from yoyaku.messaging.received import UnknownVersionError as UnknownVersionError
from yoyaku.messaging.received import UnreadableEventError as UnreadableEventError
from yoyaku.messaging.topology import ConsumerSpec
from yoyaku.messaging.waiting import ended

WATCH_SECONDS: Final = 5.0
"""How often the consumer is looked up on the server."""
UNATTACHED_WATCH_SECONDS: Final = 1.0
"""How often, until it was attached to."""
FETCH_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """What health needs to know of one consumer.

    `paused_since` is aware UTC: the handler waits for something it depends on. `pending` counts what the stream has
    and has not delivered, `ack_pending` what is delivered and open; both `None` until the server was asked.
    """

    consumer: str
    running: bool
    missing: bool
    paused_since: datetime | None
    pending: int | None
    ack_pending: int | None
    problem: str | None


class Subscription:
    """One consumer's subscription. `start` and `stop` may follow each other any number of times."""

    def __init__(
        self,
        broker: ServiceBroker,
        spec: ConsumerSpec,
        handler: Handler,
        *,
        accepts_unreadable: bool = False,
        policy: RetryPolicy,
    ) -> None:
        self.spec = spec
        self._broker = broker
        self._handler = handler
        self._accepts_unreadable = accepts_unreadable
        self._policy = policy
        self._handling: BatchHandling | None = None
        self._pull: PromptPull | None = None
        self._subscriber: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._missing = False
        self._unseen_reason: str | None = None
        self._counts: tuple[int, int] | None = None

    @property
    def status(self) -> SubscriptionStatus:
        """Tell the state as last seen."""
        handling = self._handling
        missing = self._missing or (self._pull is not None and self._pull.consumer_missing)
        problem = "the consumer does not exist on the server" if missing else self._unseen_reason
        return SubscriptionStatus(
            consumer=self.spec.durable,
            running=bool(self._tasks),
            missing=missing,
            paused_since=handling.paused_since if handling else None,
            pending=self._counts[0] if self._counts else None,
            ack_pending=self._counts[1] if self._counts else None,
            problem=problem or (handling.problem if handling else None),
        )

    async def start(self) -> None:
        """Begin to consume. The broker must be started; a consumer that does not exist is waited for."""
        if self._tasks:
            return
        self._handling = BatchHandling(
            self.spec,
            self._handler,
            accepts_unreadable=self._accepts_unreadable,
            policy=self._policy,
            js=jetstream(self._broker),
        )
        self._forget_broker_stop = self._broker.before_stop(self.stop)
        await self._look()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._keep_alive())]

    async def stop(self) -> None:
        """Finish the handler's running call, give back every other event at once, and detach.

        It is done whole even when its caller is cancelled meanwhile: a subscription that stayed attached would take
        each event and give it back, until the server delivers it to nobody any more.
        """
        if self._ending is None or self._ending.done():
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        if not tasks or self._handling is None:
            return
        self._handling.stopping.set()
        self._forget_broker_stop()
        watch, keep_alive = tasks
        await ended(watch)
        await self._detach()
        await ended(keep_alive)
        self._counts = None

    async def _attach(self) -> None:
        """Begin to receive; leaves nothing behind when it fails or is cancelled on the way."""
        pull = PromptPull(
            self._broker.connection,
            stream=self.spec.stream,
            durable=self.spec.durable,
            batch_size=self.spec.batch_size,
        )
        await pull.open()
        subscriber = self._batch_subscriber(pull)
        try:
            await subscriber.start()
            # FastStream has just made its loop's task, which has not run yet and reads `subscription` on each turn.
            client_subscription, subscriber.subscription = subscriber.subscription, pull
            await client_subscription.unsubscribe()
        except BaseException:
            await subscriber.stop()
            await pull.unsubscribe()
            raise
        self._subscriber, self._pull = subscriber, pull
        self._forget_reconnect = self._broker.on_reconnect(pull.forget_requests)

    def _batch_subscriber(self, pull: PromptPull) -> Any:
        """Make FastStream's batch pull subscriber, which hands what `pull` fetches to the handling."""
        spec, handling = self.spec, self._handling
        assert handling is not None

        async def on_batch(messages: Any) -> None:
            pull.taken()
            await handling.handle(messages)

        subscriber = self._broker.subscriber(
            spec.filter_subjects[0],
            stream=JStream(spec.stream, declare=False),
            durable=spec.durable,
            pull_sub=PullSub(batch_size=spec.batch_size, timeout=FETCH_SECONDS, batch=True),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
            no_reply=True,
            inbox_prefix=f"{self._broker.inbox_prefix}.".encode(),
            persistent=False,
        )
        subscriber(on_batch)
        return subscriber

    async def _detach(self) -> None:
        subscriber, self._subscriber, self._pull = self._subscriber, None, None
        if subscriber is None:
            return
        self._forget_reconnect()
        consuming = tuple(subscriber.tasks)
        try:
            await subscriber.stop()
        except Error as error:
            bound = logger.bind(consumer=self.spec.durable, error=type(error).__name__)
            bound.warning("a consumer could not be stopped cleanly")
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*consuming, return_exceptions=True)

    async def _watch(self) -> None:
        handling = self._handling
        while handling is not None and not handling.stopping.is_set():
            await asyncio.sleep(WATCH_SECONDS if self._subscriber is not None else UNATTACHED_WATCH_SECONDS)
            await self._look()

    async def _look(self) -> None:
        """Look the consumer up; attach to it when it exists and we are not attached. What fails is tried again."""
        was_missing = self._missing
        try:
            info = await jetstream(self._broker).consumer_info(self.spec.stream, self.spec.durable)
            self._missing = False
            if self._subscriber is None:
                await self._attach()
        except NotFoundError:
            self._missing = True
            self._counts = None
            if not was_missing:
                logger.bind(consumer=self.spec.durable, stream=self.spec.stream).error("consumer is missing on the bus")
        except (Error, TimeoutError) as error:
            self._unseen_reason = f"the consumer could not be looked up: {type(error).__name__}"
            self._counts = None
        else:
            self._unseen_reason = None
            self._counts = (info.num_pending or 0, info.num_ack_pending or 0)
            if was_missing:
                logger.bind(consumer=self.spec.durable).info("consumer exists again on the bus")

    async def _keep_alive(self) -> None:
        """Tell the server now and then that what we hold is still being worked on."""
        while True:
            await asyncio.sleep(self.spec.ack_wait_seconds / 3)
            for message in [
                *(self._pull.held if self._pull else ()),
                *(self._handling.in_hand if self._handling else ()),
            ]:
                if not message.is_acked:
                    with suppress(Error):
                        await message.in_progress()


async def _undecoded(message: Any) -> list[Msg]:
    """Hand the messages through: what is in them is read once, by `received`."""
    raw: list[Msg] = message.raw_message
    return raw


def subscribe(
    broker: ServiceBroker,
    spec: ConsumerSpec,
    handler: Handler,
    *,
    accepts_unreadable: bool = False,
    policy: RetryPolicy | None = None,
) -> Subscription:
    """Make the subscription of a consumer; nothing is consumed before its `start`.

    `handler` gets each batch in stream order (retried events come later) and does all of it or nothing, idempotently.
    It may raise RetryLater, Reject, or DependencyUnavailableError (or postgres' DatabaseUnavailableError); any other
    exception is a failed attempt. With `accepts_unreadable` it also gets events whose `problem` is set.
    """
    return Subscription(broker, spec, handler, accepts_unreadable=accepts_unreadable, policy=policy or RetryPolicy())
