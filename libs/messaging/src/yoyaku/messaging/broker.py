"""The connection to the bus: FastStream's broker, with the choices that lose nothing made once.

FastStream terminates a message whose handler raised; here the default is a delayed redelivery, and its logging of
each message goes to DEBUG. The client reconnects for ever. Every error of the connection, a refused subject above
all, becomes a log line and a count: the server answers a refused publish with silence, so nobody else would know.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, cast

import nats
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import HandlerException, IncorrectState, NackMessage
from faststream.nats import NatsBroker
from faststream.nats.security import NatsNKey, NatsSecurity
from loguru import logger
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NotJSMessageError, SlowConsumerError
from nats.js import JetStreamContext
from opentelemetry import metrics

from yoyaku.messaging.outcomes import RetryPolicy
from yoyaku.messaging.settings import NatsSettings, is_refusal
from yoyaku.messaging.settings import SeedFileReadableError as SeedFileReadableError
from yoyaku.messaging.telemetry import SCOPE
from yoyaku.messaging.topology import inbox_prefix

BUS_ERRORS: Final = "yoyaku.bus.errors"
"""Errors of the connection to the bus, by `kind`: denied, slow_consumer, connection."""

COMPLAINT_SECONDS: Final = 30.0
"""How often the same error of the connection is logged while the client goes on trying."""

_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"', re.IGNORECASE)
_REMEMBERED_DENIALS: Final = 256
_errors = metrics.get_meter(SCOPE).create_counter(BUS_ERRORS, unit="{error}", description="Errors of the connection")
_log = logging.getLogger("yoyaku.messaging.faststream")


def _demoted(record: logging.LogRecord) -> bool:
    """Let what FastStream tells about its own workings through as DEBUG; its warnings stay what they are."""
    if record.levelno == logging.INFO:
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return _log.isEnabledFor(record.levelno)


_log.addFilter(_demoted)


class BusError(Exception):
    """The bus could not be used."""


class BusAccessDeniedError(BusError):
    """The server refused this identity, or a subject it has no right to."""


class DelayedRetry(BaseMiddleware[Any, Any]):
    """Turn an exception in a single-message JetStream handler into a redelivery after a growing, jittered delay."""

    policy = RetryPolicy()

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Handle the message; raise NackMessage with a delay for what the handler did not catch."""
        try:
            return await call_next(msg)
        except HandlerException:
            raise
        except Exception as error:
            delivered = _delivered_count(msg.raw_message)
            if delivered is None:
                raise
            logger.opt(exception=error).bind(subject=msg.raw_message.subject).warning("event handling failed")
            raise NackMessage(delay=self.policy.delay_seconds(delivered)) from error


def _delivered_count(raw: object) -> int | None:
    if not isinstance(raw, Msg):
        return None
    try:
        return raw.metadata.num_delivered
    except NotJSMessageError:
        return None


class ServiceBroker(NatsBroker):
    """One identity's broker: knows its name, remembers refusals, tells who wants to know of a reconnection."""

    def __init__(self, settings: NatsSettings, *, service: str) -> None:
        self.service = service
        self.settings = settings
        self.closed_for_good = False
        self._stopping = False
        self._listeners: list[Callable[[], None]] = []
        self._before_stop: list[Callable[[], Awaitable[None]]] = []
        self._denied: dict[str, float] = {}
        self._complained = ("", 0.0)
        super().__init__(
            settings.servers,
            name=service,
            security=_security(settings),
            inbox_prefix=inbox_prefix(service),
            connect_timeout=settings.connect_timeout_seconds,
            reconnect_time_wait=cast("int", settings.reconnect_wait_seconds),
            max_reconnect_attempts=-1,
            ping_interval=20,
            max_outstanding_pings=2,
            drain_timeout=settings.drain_timeout_seconds,
            graceful_timeout=float(settings.drain_timeout_seconds),
            js_options={"timeout": settings.request_timeout_seconds},
            ack_policy=AckPolicy.NACK_ON_ERROR,
            middlewares=[DelayedRetry],
            logger=_log,
            log_level=logging.DEBUG,
        )

    async def _connect(self) -> Client:
        # FastStream's own error callback raises inside the client's reconnect loop, which ends that loop for ever.
        callbacks: dict[str, Any] = {
            "error_cb": self._on_error,
            "reconnected_cb": self._on_reconnected,
            "disconnected_cb": self._on_disconnected,
            "closed_cb": self._on_closed,
        }
        connection = await nats.connect(**{**self._connection_kwargs, **callbacks})
        self.config.connect(connection)
        return connection

    async def stop(self, *args: Any, **kwargs: Any) -> None:
        """Finish what is in flight, give back the rest, close. Safe twice, before a start, and with NATS away."""
        self._stopping = True
        await asyncio.gather(*(finish() for finish in tuple(self._before_stop)), return_exceptions=True)
        client = self._connection
        try:
            await super().stop(*args, **kwargs)
        except Error as error:
            logger.bind(service=self.service, error=type(error).__name__).warning("bus connection cut off, not drained")
            if client is not None:
                await client.close()

    @property
    def inbox_prefix(self) -> str:
        """Give the prefix of the inboxes this identity may listen on."""
        return inbox_prefix(self.service)

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return self._connection is not None and self._connection.is_connected

    def on_reconnect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each reconnection; the result takes it off again."""
        self._listeners.append(listener)
        return partial(_remove, self._listeners, listener)

    def before_stop(self, finish: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Await `finish` when the broker is stopped, before it closes; the result takes it off again."""
        self._before_stop.append(finish)
        return partial(_remove, self._before_stop, finish)

    def was_denied(self, subject: str, since: float) -> bool:
        """Tell whether the server has refused `subject` to us since that `time.monotonic()`."""
        return self._denied.get(subject.lower(), float("-inf")) >= since

    async def _on_error(self, error: Exception) -> None:
        if self._connection is None and is_refusal(error):
            raise BusAccessDeniedError(f"the bus refused the identity of {self.service}") from error
        if denied := _DENIED.search(str(error)):
            self._remember_denial(denied.group(1).lower(), denied.group(2))
        elif isinstance(error, SlowConsumerError):
            _errors.add(1, {"kind": "slow_consumer"})
            logger.bind(service=self.service, subject=error.subject).error("bus messages dropped by a slow consumer")
        else:
            _errors.add(1, {"kind": "connection"})
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Log an error of the connection: a new kind at once, the same kind again only now and then."""
        kind, now = f"{type(error).__name__}: {error}", time.monotonic()
        if kind == self._complained[0] and now - self._complained[1] < COMPLAINT_SECONDS:
            return
        self._complained = (kind, now)
        bound = logger.bind(service=self.service, error=type(error).__name__, detail=str(error))
        bound.warning("bus connection error")

    def _remember_denial(self, operation: str, subject: str) -> None:
        """Keep, count and log a refusal; the client gives the subject in lower case."""
        _errors.add(1, {"kind": "denied"})
        while len(self._denied) >= _REMEMBERED_DENIALS:
            del self._denied[next(iter(self._denied))]
        self._denied[subject.lower()] = time.monotonic()
        bound = logger.bind(service=self.service, operation=operation, subject=subject)
        bound.error("bus refused an operation")

    async def _on_disconnected(self) -> None:
        if not self._stopping:
            logger.bind(service=self.service).warning("bus connection lost")

    async def _on_reconnected(self) -> None:
        self._complained = ("", 0.0)
        logger.bind(service=self.service).info("bus connection back")
        for listener in tuple(self._listeners):
            listener()

    async def _on_closed(self) -> None:
        if not self._stopping and self._connection is not None:
            self.closed_for_good = True
            logger.bind(service=self.service).critical("bus connection closed for good")


def _remove(listeners: list[Any], listener: object) -> None:
    if listener in listeners:
        listeners.remove(listener)


def _security(settings: NatsSettings) -> NatsSecurity | None:
    context = settings.tls_context()
    seed_file = settings.checked_seed_file()
    if seed_file is None:
        return NatsSecurity(ssl_context=context, use_ssl=True) if context else None
    return NatsNKey.from_file(seed_file, ssl_context=context, use_ssl=context is not None)


def make_broker(settings: NatsSettings, *, service: str) -> ServiceBroker:
    """Make the broker of one identity; it connects when started.

    Raises SeedFileReadableError when others may read the seed.
    """
    return ServiceBroker(settings, service=service)


def jetstream(broker: NatsBroker) -> JetStreamContext:
    """Give the JetStream context of a started broker. Raises BusError before the start."""
    try:
        return broker.config.broker_config.connection_state.stream
    except IncorrectState as error:
        raise BusError("the broker is not started") from error


async def start_broker(broker: NatsBroker, *, stop: asyncio.Event | None = None) -> bool:
    """Start the broker, waiting for NATS as long as it takes; `False` when `stop` was set before it answered.

    Raises BusAccessDeniedError when the server refuses the identity: waiting would not help.
    """
    starting = asyncio.create_task(broker.start())
    stopping = asyncio.create_task(stop.wait()) if stop is not None else None
    try:
        await asyncio.wait({starting, *([stopping] if stopping else [])}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        await starting
        return True
    except Error as error:
        raise BusError(f"the bus could not be reached: {error}") from error
    finally:
        for task in filter(None, (starting, stopping)):
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
