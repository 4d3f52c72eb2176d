"""The sequencer: for as long as this process leads, every consumer's events go into the log.

Invariant: only a leader pulls events, and what it writes is fenced by its lease; a standby holds nothing back.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from loguru import logger

from yoyaku.audit_log.entrypoints.messages import OnEvents
from yoyaku.audit_log.usecases.record_facts import RecordFacts
from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.consumer import Subscription, SubscriptionStatus, subscribe
from yoyaku.messaging.leadership import LeadershipLostError, Lease
from yoyaku.messaging.topology import SERVICES
from yoyaku.observability.health import Check, CheckResult, Status

SERVICE: Final = "audit-log"
LET_GO_SECONDS: Final = 20.0
"""More than one append and the bus's own limits take."""


class ConsumersHeldError(RuntimeError):
    """A former leader could not let go of its consumers; events would go round through it."""


class Standing:
    """Whether the term of this process can record, for health."""

    def __init__(self) -> None:
        self._why: str | None = None

    def is_blocked(self, why: str) -> None:
        """Note that nothing can be recorded, and why."""
        self._why = why

    @property
    def is_damaged(self) -> bool:
        """Whether something keeps this process from recording."""
        return self._why is not None

    def is_clear(self) -> None:
        """Note that the log was made ready, or that this process does not lead."""
        self._why = None

    def check(self) -> Check:
        """Warn while this process leads and cannot record; it is no reason to be unready."""

        async def look() -> CheckResult:
            return CheckResult(Status.WARN if self._why else Status.PASS, output=self._why)

        return Check("log:recording", look)


class Sequencer:
    """What a leader runs; knows its consumers for health."""

    def __init__(self, broker: ServiceBroker, stop: asyncio.Event) -> None:
        self._broker = broker
        self._stop = stop
        self._subscriptions: Sequence[Subscription] = ()
        self.standing = Standing()

    @property
    def consumers(self) -> list[SubscriptionStatus]:
        """Tell the state of each consumer; empty on a standby."""
        return [subscription.status for subscription in self._subscriptions]

    async def run(self, lease: Lease, record: RecordFacts) -> None:
        """Record events by `record`, which is fenced by `lease`, until told to stop.

        Raises LeadershipLostError when the fence has refused this lease, and when the log's own rows refuse what is
        recorded, so that a new term makes the log ready; ConsumersHeldError when stopping hangs.
        """
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[bool] = loop.create_future()

        def on_lost(error: LeadershipLostError) -> None:
            if not lost.done():
                lost.set_exception(error)

        def on_damaged(error: Exception) -> None:
            if not lost.done():
                self.standing.is_blocked(f"{type(error).__name__}: {error}")
                logger.bind(cause=str(error)).error("the log's own rows are damaged, the term ends")
                lost.set_exception(LeadershipLostError(lease.name, lease.epoch))

        on_events = OnEvents(record, on_lost, on_damaged)
        subscriptions = [
            subscribe(self._broker, spec, on_events, accepts_unreadable=True) for spec in SERVICES[SERVICE].consumes
        ]
        stopping: asyncio.Future[bool] = asyncio.ensure_future(self._stop.wait())
        try:
            self._subscriptions = subscriptions
            for subscription in subscriptions:
                await subscription.start()
            logger.bind(epoch=lease.epoch).info("the sequencer records events")
            await asyncio.wait([stopping, lost], return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                await lost
        finally:
            stopping.cancel()
            lost.cancel()
            self._subscriptions = ()
            await _let_go(subscriptions)


async def _let_go(subscriptions: Sequence[Subscription]) -> None:
    """Stop every consumer; a process that cannot is no standby: it ends, and is started anew."""
    try:
        async with asyncio.timeout(LET_GO_SECONDS):
            await asyncio.gather(*(subscription.stop() for subscription in subscriptions))
    except TimeoutError as late:
        raise ConsumersHeldError(f"consumers were not given up within {LET_GO_SECONDS:g} s") from late
