"""The consumer's half of exactly-once effects (EV-04): which events a consumer has handled, in its own transaction.

Invariant: an event's inbox row and its effect are committed together, so an event delivered again after the commit is
recognised, and one whose transaction rolled back is not. Rows are kept 40 days, longer than a 30-day stream redelivers.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from loguru import logger

from yoyaku.contracts.envelope import Envelope
from yoyaku.messaging.waiting import set_within
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

PURGE_EVERY_SECONDS: Final = 6 * 3600.0

# In the order of ids, so that two consumers with overlapping batches wait for each other instead of deadlocking.
_RECORD: Final = """
INSERT INTO inbox (consumer, event_id)
SELECT $1, id FROM unnest($2::uuid[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
RETURNING event_id::text
"""


class HasEnvelope(Protocol):
    """What the inbox needs of a received event."""

    @property
    def envelope(self) -> Envelope | None:
        """The event's envelope; None when it could not be read."""


Received = TypeVar("Received", bound=HasEnvelope)


async def first_seen(connection: Connection, consumer: str, events: Iterable[HasEnvelope]) -> set[str]:
    """Record the events as handled by `consumer` and return the ids among them that were not handled before.

    Call it inside the transaction of the effect: a twin being handled elsewhere is waited for. Events without an
    envelope have no id and are left out. An id that stands twice in `events` is in the result once: use `unseen`
    where a batch may hold twins.
    """
    ids = {_key(event.envelope.id): event.envelope.id for event in events if event.envelope is not None}
    if not ids:
        return set()
    return {ids[row[0]] for row in await connection.fetch(_RECORD, consumer, list(ids))}


def _key(event_id: str) -> str:
    """Return the id as canonical UUID text; one that is no UUID, which CloudEvents allows, becomes one by its hash."""
    try:
        return str(uuid.UUID(event_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, event_id))


async def unseen(connection: Connection, consumer: str, events: Sequence[Received]) -> list[Received]:
    """Return the events not handled before, in their order and each id once; records them as `first_seen` does."""
    fresh = await first_seen(connection, consumer, events)
    kept = []
    for event in events:
        if event.envelope is not None and event.envelope.id in fresh:
            fresh.discard(event.envelope.id)
            kept.append(event)
    return kept


async def purge_inbox(pool: Pool) -> int:
    """Delete rows older than 40 days, in steps of 10,000, and return how many."""
    total = 0
    while True:
        async with transaction(pool) as connection:
            purged: int = await connection.fetchval("SELECT inbox_purge()")
        total += purged
        if purged == 0:
            return total


async def keep_inbox_small(pool: Pool, stop: asyncio.Event) -> None:
    """Purge now and every six hours until `stop`; a database that is away is tried again at the next turn."""
    while not stop.is_set():
        try:
            purged = await purge_inbox(pool)
        except PostgresError as error:
            logger.bind(cause=str(error)).warning("inbox could not be purged")
        else:
            if purged:
                logger.bind(rows=purged).info("inbox purged")
        await set_within(stop, PURGE_EVERY_SECONDS)
