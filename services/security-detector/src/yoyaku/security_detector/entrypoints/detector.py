"""One term of leadership: consume, push, expire, repair, until told to stop or the lead is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loguru import logger

from yoyaku.messaging.broker import ServiceBroker
from yoyaku.messaging.condition import Condition
from yoyaku.messaging.consumer import Handler, Subscription, SubscriptionStatus, subscribe
from yoyaku.messaging.leadership import LeadershipLostError
from yoyaku.messaging.topology import SECURITY_DETECTOR_IDENTITY
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.security_detector import telemetry
from yoyaku.security_detector.entrypoints.messages import OnIdentityEvents
from yoyaku.security_detector.usecases.enforce_blocks import EnforceBlocks
from yoyaku.security_detector.usecases.expire_blocks import ExpireBlocks, ForgetFailures
from yoyaku.security_detector.usecases.judge_failures import JudgeFailures
from yoyaku.security_detector.usecases.ports import BucketAwayError

SERVICE: Final = "security-detector"
EXPIRE_EVERY_SECONDS: Final = 0.5
RECONCILE_EVERY_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.5
FORGET_EVERY_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the detector does while it leads."""

    judge: JudgeFailures
    enforce: EnforceBlocks
    expire: ExpireBlocks
    forget: ForgetFailures


class Detector:
    """Runs the use cases while this process leads."""

    def __init__(self, broker: ServiceBroker, now: Callable[[], datetime], stop: asyncio.Event) -> None:
        self._broker = broker
        self._now = now
        self._stop = stop
        self._subscription: Subscription | None = None
        self._repair = asyncio.Event()

    @property
    def consumers(self) -> Sequence[SubscriptionStatus]:
        """What health needs to know; nothing while another process leads."""
        return [self._subscription.status] if self._subscription else []

    async def run(self, usecases: UseCases) -> None:
        """Work until told to stop. Raises LeadershipLostError when another process leads."""
        handler: Handler = OnIdentityEvents(usecases.judge, usecases.enforce, self._now)
        self._subscription = subscribe(self._broker, SECURITY_DETECTOR_IDENTITY, handler)
        forget_reconnect = self._broker.on_reconnect(self._repair.set)
        lost: LeadershipLostError | None = None
        try:
            await self._subscription.start()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._every(EXPIRE_EVERY_SECONDS, self._expire, usecases))
                tasks.create_task(self._every(FORGET_EVERY_SECONDS, self._forget, usecases))
                tasks.create_task(self._keep_bucket_whole(usecases.enforce))
        except* LeadershipLostError as group:
            lost = _first(group)
        finally:
            forget_reconnect()
            await self._subscription.stop()
            self._subscription = None
        if lost is not None:
            raise lost

    async def _every(self, seconds: float, work: Callable[[UseCases], Awaitable[None]], usecases: UseCases) -> None:
        name = work.__name__.strip("_")
        database = Condition(away=f"{name} waits for the database", back=f"{name} has the database back")
        while not self._stop.is_set():
            try:
                await work(usecases)
                database.is_back()
            except PostgresError as error:
                await set_within(self._stop, database.is_away(str(error)))
            else:
                await set_within(self._stop, seconds)

    async def _expire(self, usecases: UseCases) -> None:
        if ended := await usecases.expire(self._now()):
            telemetry.blocks.add(ended, {"outcome": "expired"})
            logger.bind(blocks=ended).info("blocks expired")

    async def _forget(self, usecases: UseCases) -> None:
        if dropped := await usecases.forget(self._now()):
            logger.bind(failures=dropped).info("old failures dropped")

    async def _keep_bucket_whole(self, enforce: EnforceBlocks) -> None:
        whole = Condition(
            away="blocks could not be compared with the bucket, to be tried again",
            back="blocks are compared with the bucket again",
        )
        while not self._stop.is_set():
            self._repair.clear()
            pause_seconds = RECONCILE_EVERY_SECONDS
            try:
                if repaired := await enforce.reconcile(self._now()):
                    telemetry.blocks.add(len(repaired), {"outcome": "repaired"})
                    logger.bind(blocks=len(repaired)).warning("blocks were missing in the bucket and were put back")
                whole.is_back()
            except (BucketAwayError, PostgresError) as error:
                pause_seconds = min(RETRY_SECONDS, whole.is_away(str(error)))
            await self._pause(pause_seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait for the time, a reconnection or the stop, whichever comes first."""
        waits = [asyncio.create_task(event.wait()) for event in (self._stop, self._repair)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def _first(group: BaseExceptionGroup[LeadershipLostError]) -> LeadershipLostError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LeadershipLostError)
    return error
