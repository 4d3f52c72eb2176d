import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from loguru import logger

from yoyaku.postgres.errors import DatabaseUnavailableError
from yoyaku.security_detector.entrypoints.detector import Detector


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(lambda message: written.append(message.record["message"]), level="INFO")
    yield written
    logger.remove(sink)


@pytest.mark.requirement("OB-03")
async def test_a_database_that_is_away_is_told_once_however_often_the_work_is_tried(lines: list[str]) -> None:
    stop = asyncio.Event()
    tried = 0

    async def expire(_: Any) -> None:
        nonlocal tried
        tried += 1
        if tried < 4:
            raise DatabaseUnavailableError("away")
        if tried == 6:
            stop.set()

    broker: Any = None
    usecases: Any = None
    async with asyncio.timeout(30):
        await Detector(broker, lambda: datetime.now(UTC), stop)._every(0.01, expire, usecases)
    assert lines == ["expire waits for the database", "expire has the database back"]
