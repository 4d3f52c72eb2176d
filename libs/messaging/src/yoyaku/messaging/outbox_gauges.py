"""Measures how much waits in an outbox, and for how long: the two gauges that say whether publishing keeps up.

A relay reads them off the database every few seconds; the meter's callbacks only hand out the last reading. A reading
that is too old to be true (the database is away) is not handed out at all, so that absence shows as absence.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from loguru import logger
from opentelemetry.metrics import CallbackOptions, Observation

from yoyaku.messaging import telemetry
from yoyaku.messaging.outbox import Backlog, read_backlog
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool

READ_EVERY_SECONDS: Final = 5.0
STALE_AFTER_SECONDS: Final = 30.0

_latest: dict[int, tuple[float, Backlog]] = {}
"""Of each running reader: when it read, and what."""


def observe_pending(_: CallbackOptions) -> Iterable[Observation]:
    """Give the last reading of how many events wait; nothing when it is stale."""
    return [Observation(max(backlog.pending for backlog in fresh))] if (fresh := _fresh()) else []


def observe_oldest_age(_: CallbackOptions) -> Iterable[Observation]:
    """Give the last reading of how long the oldest event waits, in seconds; nothing when it is stale."""
    return [Observation(max(backlog.oldest_age_seconds for backlog in fresh))] if (fresh := _fresh()) else []


def _fresh() -> list[Backlog]:
    oldest_allowed = time.monotonic() - STALE_AFTER_SECONDS
    return [backlog for read_at, backlog in tuple(_latest.values()) if read_at >= oldest_allowed]


telemetry.METER.create_observable_gauge(
    telemetry.OUTBOX_PENDING,
    [observe_pending],
    unit="{event}",
    description="Events committed and not yet acknowledged by their stream",
)
telemetry.METER.create_observable_gauge(
    telemetry.OUTBOX_OLDEST_AGE,
    [observe_oldest_age],
    unit="s",
    description="How long the oldest unpublished event has waited",
)


async def keep_gauges(pool: Pool, stop: asyncio.Event, *, every_seconds: float = READ_EVERY_SECONDS) -> None:
    """Read the backlog now and every few seconds until `stop`; a database that is away leaves the gauges absent."""
    reader = object()
    try:
        while not stop.is_set():
            try:
                _latest[id(reader)] = (time.monotonic(), await read_backlog(pool))
            except PostgresError as error:
                logger.bind(cause=str(error)).debug("outbox backlog could not be read")
            await set_within(stop, every_seconds)
    finally:
        _latest.pop(id(reader), None)
