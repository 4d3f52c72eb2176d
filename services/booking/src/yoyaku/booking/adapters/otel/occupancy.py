"""Today's occupancy as gauges, read off the database about once a minute.

Invariant: a reading that is too old to be true is not handed out, so that absence shows as absence. Every worker reads
the same tables and says the same shares: shares are not added up, so two workers do not count twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from loguru import logger
from opentelemetry.metrics import CallbackOptions, Observation

from yoyaku.booking.domain.occupancy import RoomDay, shares
from yoyaku.messaging.waiting import set_within
from yoyaku.observability.metrics import meter
from yoyaku.postgres.errors import PostgresError

OCCUPANCY_SITE: Final = "yoyaku.occupancy.site"
OCCUPANCY_ROOM: Final = "yoyaku.occupancy.room"
SITES_LIMIT: Final = 50
ROOMS_LIMIT: Final = 200
_STALE_AFTER: Final = 3
"""Readings missed until the last one is no longer true."""

_METER: Final = meter("yoyaku.booking")


class OccupancyGauges:
    """Holds the last reading; reads until told to stop."""

    def __init__(self, read: Callable[[], Awaitable[Sequence[RoomDay]]], *, every_seconds: float) -> None:
        self._read = read
        self._every_seconds = every_seconds
        self._read_at = float("-inf")
        self._sites: Mapping[str, float] = {}
        self._rooms: Mapping[str, float] = {}
        _METER.create_observable_gauge(
            OCCUPANCY_SITE, [self._observe_sites], unit="1", description="Booked share of today's open hours, by site"
        )
        _METER.create_observable_gauge(
            OCCUPANCY_ROOM, [self._observe_rooms], unit="1", description="Booked share of today's open hours, by room"
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Read now and then again and again; the database being away leaves the gauges absent after a while."""
        while not stop.is_set():
            try:
                days = await self._read()
            except PostgresError as error:
                logger.bind(cause=str(error)).debug("occupancy could not be read")
            else:
                self._sites = shares(days, lambda day: day.site, limit=SITES_LIMIT)
                self._rooms = shares(days, lambda day: day.room, limit=ROOMS_LIMIT)
                self._read_at = time.monotonic()
            await set_within(stop, self._every_seconds)

    def _observe_sites(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(share, {"site": site}) for site, share in self._sites.items()] if self._is_fresh() else []

    def _observe_rooms(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(share, {"room": room}) for room, share in self._rooms.items()] if self._is_fresh() else []

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < self._every_seconds * _STALE_AFTER
