"""Denials of access tokens: told through the bucket, followed by every gateway process, repaired by the worker.

Invariant: what is denied in the database is refused by every gateway process as soon as one of three says so: the
process that denied, the bucket, or the table itself, which a gateway reads before it is ready and then within every
second, because a bus that hangs looks like one where nothing happens. Nothing that vanishes from the bucket is
allowed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from loguru import logger
from nats.errors import Error as NatsError

from yoyaku.booking.domain.denials import Denial, DenialKind, DeniedTokens
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.contracts.denials import DenialKind as ContractKind
from yoyaku.contracts.denials import DenialValue, InvalidDenialError, denial_key
from yoyaku.messaging.broker import BusError, ServiceBroker, jetstream
from yoyaku.messaging.kv import KvWatch, kv_put_with_ttl
from yoyaku.messaging.topology import DENIED_TOKENS
from yoyaku.postgres.errors import PostgresError

READ_DENIALS_SECONDS: Final = 0.8
"""How long a gateway process pauses between readings of the table: a denial is known to it within a second."""
COMPARE_SECONDS: Final = 1.0
"""How long the worker pauses between comparing the bucket with the table."""
PUSH_SECONDS: Final = 0.5
"""How long an answer waits for the bucket; the worker puts later what was not taken by then."""

ReadDenials = Callable[[], Awaitable[Sequence[Denial]]]


def _value_of(denial: Denial) -> DenialValue:
    return DenialValue(
        kind=ContractKind(denial.kind.value),
        value=denial.value,
        not_before=denial.not_before,
        until=denial.until,
    )


async def _put(broker: ServiceBroker, denial: Denial, now: Clock) -> None:
    value = _value_of(denial)
    seconds = (denial.until - now()).total_seconds()
    if seconds > 0:
        key = denial_key(value.kind, value.value)
        await kv_put_with_ttl(jetstream(broker), DENIED_TOKENS, key, value.to_bytes(), seconds)


class DenialPusher:
    """Tells of committed denials."""

    def __init__(self, broker: ServiceBroker, denied: DeniedTokens, *, now: Clock) -> None:
        self._broker = broker
        self._denied = denied
        self._now = now

    async def __call__(self, denials: Sequence[Denial]) -> None:
        """Refuse the tokens in this process at once, and put the denials into the bucket; never raises."""
        for denial in denials:
            self._denied.put(denial)
        if not denials or not self._broker.is_connected:
            return
        try:
            async with asyncio.timeout(PUSH_SECONDS):
                await asyncio.gather(*(_put(self._broker, denial, self._now) for denial in denials))
        except (NatsError, BusError, TimeoutError) as error:
            logger.bind(error=type(error).__name__).warning("denial left to the worker, the bus did not take it")


class DenialWatch:
    """Keeps what a gateway process refuses up with the bucket and the table."""

    def __init__(self, broker: ServiceBroker, denied: DeniedTokens, *, now: Clock) -> None:
        self._denied = denied
        self._now = now
        self._watch = KvWatch(broker, DENIED_TOKENS, self._on_put, lambda _: None)

    async def follow(self) -> None:
        """Follow the bucket until cancelled; the broker must be started. Raises what ended it: a defect."""
        await self._watch.start()
        try:
            await self._watch.follow()
        finally:
            await self._watch.stop()

    async def read_table(self, read: ReadDenials) -> None:
        """Take over what the table holds. Raises the errors of `yoyaku.postgres.errors`."""
        for denial in await read():
            self._denied.put(denial)

    async def keep_reading(self, read: ReadDenials) -> None:
        """Read the table again and again until cancelled, whatever the bus seems to be doing."""
        while True:
            await asyncio.sleep(READ_DENIALS_SECONDS)
            try:
                await self.read_table(read)
            except PostgresError as error:
                logger.bind(cause=str(error)).warning("denials could not be read, to be tried again")
            self._denied.forget_over(self._now())

    def _on_put(self, key: str, data: bytes) -> None:
        try:
            value = DenialValue.from_bytes(data)
            self._denied.put(Denial(DenialKind(value.kind.value), value.value, value.until, value.not_before))
        except (InvalidDenialError, ValueError):
            logger.bind(key=key).error("unreadable denial ignored")


class DenialRepairer:
    """Puts into the bucket what the table holds and the bucket does not: a crash or a lost bucket leaves no gap."""

    def __init__(self, broker: ServiceBroker, read: ReadDenials, *, now: Clock) -> None:
        self._broker = broker
        self._read = read
        self._now = now
        self._present: dict[str, bytes] = {}
        self._watch = KvWatch(broker, DENIED_TOKENS, self._present.__setitem__, self._on_delete)

    async def run(self) -> None:
        """Compare until cancelled; database and bus being away are waited out. The broker must be started.

        Raises what ended the following or the comparing: a defect.
        """
        await self._watch.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch.follow())
                tasks.create_task(self._keep_repairing())
        finally:
            await self._watch.stop()

    def _on_delete(self, key: str) -> None:
        self._present.pop(key, None)

    async def _keep_repairing(self) -> None:
        await self._watch.wait_until_loaded()
        while True:
            try:
                await self._repair()
            except (PostgresError, NatsError, BusError, TimeoutError) as error:
                logger.bind(error=type(error).__name__).warning("denials could not be repaired, to be tried again")
            await asyncio.sleep(COMPARE_SECONDS)

    async def _repair(self) -> None:
        for denial in await self._read():
            value = _value_of(denial)
            if self._present.get(denial_key(value.kind, value.value)) != value.to_bytes():
                await _put(self._broker, denial, self._now)
                logger.bind(kind=denial.kind.value).info("denial put into the bucket again")
