"""The start of a service of which one process leads: its database, checked, with limits that fit the lease."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.postgres.settings import PostgresSettings

_SHORTEST_IDLE_SECONDS: Final = 5.0
_IDLE_TIMES_A_TRANSACTION: Final = 3.0
"""Room for what a transaction of a leader does, and for the acknowledgements that a relay's waits for."""


@asynccontextmanager
async def leaders_pool(
    settings: PostgresSettings, *, service: str, package: str, lease_seconds: float
) -> AsyncIterator[Pool]:
    """Connect to a service's database. Raises MigrationsNotAtHeadError, PostgresError.

    The server ends a transaction that sits idle for longer than a lease, or lasts for longer than three: a frozen
    leader cannot hold up its successor.
    """
    limit_seconds = max(lease_seconds, _SHORTEST_IDLE_SECONDS)
    limits = {
        "idle_in_transaction_timeout_seconds": limit_seconds,
        "transaction_timeout_seconds": limit_seconds * _IDLE_TIMES_A_TRANSACTION,
    }
    limited = settings.model_copy(update=limits)
    async with connected_pool(limited, application_name=service) as pool:
        await check_head(pool, package)
        yield pool
