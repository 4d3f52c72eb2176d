"""A connection pool that outlives the server it talks to.

Invariant: a pool handed out by `connected_pool` never needs to be replaced: connections that died with the server are
noticed when they are next used and opened anew, so a restart of PostgreSQL needs no restart of this process.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
from loguru import logger
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from yoyaku.postgres.errors import DatabaseUnavailableError, PostgresStartTimeoutError, mapped_errors
from yoyaku.postgres.settings import PostgresSettings

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

_CLOSE_SECONDS: Final = 5.0
_NO_ANSWER_MARGIN_SECONDS: Final = 5.0


@asynccontextmanager
async def connected_pool(settings: PostgresSettings, *, application_name: str) -> AsyncIterator[Pool]:
    """Yield a pool whose first connections are open; close it at the end, cutting off what takes longer than 5 s.

    Waits for a database that is not there yet, with exponential backoff and jitter. Raises PostgresStartTimeoutError
    after `start_timeout_seconds`; wrong passwords and missing databases are raised at once, as asyncpg raises them.
    """
    pool = await _open(settings, application_name)
    try:
        yield pool
    finally:
        await _close(pool)


async def wait_until_available(pool: Pool, *, timeout_seconds: float = 60.0) -> None:
    """Return as soon as the database answers a query. Raises PostgresStartTimeoutError after `timeout_seconds`."""

    async def answer() -> None:
        with mapped_errors():
            await pool.fetchval("SELECT 1", timeout=5.0)

    async for attempt in _attempts(timeout_seconds, "database pool"):
        with attempt:
            await answer()


async def _open(settings: PostgresSettings, application_name: str) -> Pool:
    async for attempt in _attempts(settings.start_timeout_seconds, settings.dsn_for_logs()):
        with attempt:
            return await _open_once(settings, application_name)
    raise AssertionError("tenacity either returns or raises")


async def _open_once(settings: PostgresSettings, application_name: str) -> Pool:
    pool: Pool = asyncpg.create_pool(
        min_size=settings.pool_min,
        max_size=settings.pool_max,
        max_inactive_connection_lifetime=300.0,
        reset=_nothing_to_reset,
        command_timeout=_command_timeout(settings),
        **settings.connect_arguments(application_name),
    )
    try:
        with mapped_errors():
            await pool
            await pool.fetchval("SELECT 1")
    except BaseException:
        pool.terminate()
        raise
    return pool


async def _nothing_to_reset(connection: Connection) -> None:
    """Keep a returned connection as it is: asyncpg has rolled back what was open, and nothing here lasts longer.

    Its default costs each transaction a round trip to undo session settings, LISTEN, cursors held over a commit and
    session locks, none of which this code base uses (`SET LOCAL` and `pg_*_xact_lock` end with their transaction).
    """


def _command_timeout(settings: PostgresSettings) -> float | None:
    """The server ends long statements itself; the client's own limit is for a server that vanished without a word."""
    if settings.statement_timeout_seconds == 0:
        return None
    return settings.statement_timeout_seconds + _NO_ANSWER_MARGIN_SECONDS


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        logger.warning("database pool did not close in time and was cut off")
        pool.terminate()


def _attempts(timeout_seconds: float, target: str) -> AsyncRetrying:
    def give_up(state: RetryCallState) -> None:
        cause = state.outcome.exception() if state.outcome else None
        raise PostgresStartTimeoutError(f"{target} did not answer for {timeout_seconds:.0f} s: {cause}") from cause

    def announce(state: RetryCallState) -> None:
        cause = state.outcome.exception() if state.outcome else None
        logger.bind(target=target, attempt=state.attempt_number, cause=str(cause)).warning("waiting for the database")

    return AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailableError),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        stop=stop_after_delay(timeout_seconds),
        before_sleep=announce,
        retry_error_callback=give_up,
    )
