"""A lease that a test holds, to write as the leader of a service does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.leadership import Leadership, Lease
from yoyaku.postgres.pool import Pool


@asynccontextmanager
async def held_lease(pool: Pool, name: str, *, ttl_seconds: float = 60.0) -> AsyncIterator[Lease]:
    """Lead for the time of the block."""
    taken: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run(lease: Lease) -> None:
        taken.set_result(lease)
        await stop.wait()

    leadership = Leadership(pool, name, holder=new_event_id(), ttl_seconds=ttl_seconds)
    leading = asyncio.create_task(leadership.lead(run, stop))
    try:
        yield await taken
    finally:
        stop.set()
        await leading
