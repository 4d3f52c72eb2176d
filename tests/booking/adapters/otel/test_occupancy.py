"""Occupancy from the database to the gauges."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pytest

from yoyaku.booking.adapters.otel.occupancy import OCCUPANCY_ROOM, OCCUPANCY_SITE, OccupancyGauges
from yoyaku.booking.adapters.postgres.occupancy import read_occupancy
from yoyaku.booking.domain.occupancy import RoomDay
from yoyaku.observability.testing import recorded_metrics
from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.postgres.pool import connected_pool
from yoyaku.testkit.databases import Database
from yoyaku.testkit.waiting import eventually

NOON = datetime.fromisoformat("2026-04-01T12:00+09:00")
_ROOMS = """
INSERT INTO room (name, site, capacity, time_zone, active, created_at, retired_at, retirement_reason)
SELECT 'Room ' || n, 'Tokyo', 4, 'Asia/Tokyo', n <> 3, $1::timestamptz,
       CASE n WHEN 3 THEN $1::timestamptz END, CASE n WHEN 3 THEN 'gone' END
FROM generate_series(1, 3) AS n
"""
_PERSON = """
INSERT INTO person (id, user_id, display_name, role, password_hash, created_at)
VALUES (gen_random_uuid(), 'hanako', 'Hanako', 'USER', 'x', $1)
"""
_RESERVATION = """
INSERT INTO reservation (id, room_id, person_id, starts_at, ends_at, occupied, title, status, version, created_at,
                         cancelled_at, cancelled_by, cancel_reason)
SELECT gen_random_uuid(), (SELECT id FROM room WHERE name = $1), p.id, $2, $3, tstzrange($2, $3), 'x', $4, 1, $2,
       CASE WHEN $4 = 'cancelled' THEN $2::timestamptz END, CASE WHEN $4 = 'cancelled' THEN p.id END,
       CASE WHEN $4 = 'cancelled' THEN 'other' END
FROM person p
"""


@pytest.mark.requirement("OB-02")
async def test_occupancy_is_read_of_live_reservations_in_active_rooms(
    database: Callable[..., Awaitable[Database]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yoyaku.booking.adapters.postgres.occupancy._ROOMS_A_TIME", 1)
    made = await database("yoyaku.booking")
    async with connected_pool(made.admin, application_name="tests") as pool:
        await pool.execute(_ROOMS, NOON)
        await pool.execute(_PERSON, NOON)
        for room, hours_from, hours_long, status in (
            ("Room 1", 0, 6, "confirmed"),
            ("Room 1", 10, 6, "confirmed"),
            ("Room 1", 24, 6, "confirmed"),
            ("Room 2", 0, 6, "cancelled"),
            ("Room 3", 0, 6, "confirmed"),
        ):
            starts_at = NOON + timedelta(hours=hours_from)
            await pool.execute(_RESERVATION, room, starts_at, starts_at + timedelta(hours=hours_long), status)
    async with connected_pool(made.service, application_name="tests") as pool:
        days = await read_occupancy(pool, NOON)
    day, hour = timedelta(hours=24), timedelta(hours=1)
    assert days == [RoomDay("Tokyo", "Tokyo/Room 1", day, 8 * hour), RoomDay("Tokyo", "Tokyo/Room 2", day, 0 * hour)]


@pytest.mark.requirement("OB-02")
async def test_gauges_show_the_last_reading_and_nothing_once_it_is_stale() -> None:
    metrics = recorded_metrics()
    away = False

    async def read() -> Sequence[RoomDay]:
        if away:
            raise DatabaseUnavailableError("away")
        return [RoomDay("Tokyo", "Tokyo/Fuji", timedelta(hours=8), timedelta(hours=2))]

    gauges, stop = OccupancyGauges(read, every_seconds=0.02), asyncio.Event()
    running = asyncio.create_task(gauges.run(stop))

    async def shown() -> tuple[float | None, float | None]:
        return metrics.value(OCCUPANCY_SITE, site="Tokyo"), metrics.value(OCCUPANCY_ROOM, room="Tokyo/Fuji")

    await eventually(shown, lambda seen: seen == (0.25, 0.25))
    away = True
    await eventually(shown, lambda seen: seen == (None, None))
    stop.set()
    await running
