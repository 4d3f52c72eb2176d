"""Keeps the outbox's daily partitions: made before their day comes, dropped when old and wholly published.

The work is done by `outbox_maintain()` in the database, as the owner; a service may only ask for it. Should nobody ask
for a week, the default partition catches the rows and the next call puts them in their place.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from loguru import logger

from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

MAINTAIN_EVERY_SECONDS: Final = 3600.0
RETRY_AFTER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Maintained:
    """How many partitions one call created and dropped; both 0 when another process was at it."""

    created: int
    dropped: int


async def maintain_partitions(pool: Pool) -> Maintained:
    """Create the partitions of the next seven days, drop those over 35 days old that every cursor has passed.

    Raises the errors of `yoyaku.postgres.errors`; LockTimeoutError when a long transaction was in the way for 1 s.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow("SELECT created, dropped FROM outbox_maintain()")
    assert row is not None  # the function returns exactly one row
    return Maintained(row["created"], row["dropped"])


async def keep_partitions(pool: Pool, stop: asyncio.Event) -> None:
    """Maintain now and every hour until `stop`; a failure is tried again after half a minute."""
    while not stop.is_set():
        pause = MAINTAIN_EVERY_SECONDS
        try:
            done = await maintain_partitions(pool)
        except PostgresError as error:
            logger.bind(cause=str(error)).warning("outbox partitions could not be maintained")
            pause = RETRY_AFTER_SECONDS
        else:
            if done.created or done.dropped:
                logger.bind(created=done.created, dropped=done.dropped).info("outbox partitions maintained")
        await set_within(stop, pause)
