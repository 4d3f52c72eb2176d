"""A request's deadline: what is not committed by then is undone, what is being committed is waited for.

Invariant: a request whose changes were committed is never answered with `deadline-exceeded`. From the moment a commit
is asked for there is no deadline any more; the database's own timeouts bound what is left.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yoyaku.booking.entrypoints.http.problems import RETRY_AFTER_SECONDS, Problem
from yoyaku.postgres.transaction import before_each_commit


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give the block so long until its first commit. Raises Problem 503 `deadline-exceeded`."""
    timeout = asyncio.timeout(seconds)
    over = False

    def lift() -> None:
        if over:
            # Work that the request began and nobody waited for, such as recording counted refusals.
            return
        try:
            timeout.reschedule(None)
        except RuntimeError:
            # It has just run out, and something on the way kept the cancellation for itself.
            raise TimeoutError from None

    try:
        async with timeout:
            with before_each_commit(lift):
                yield
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise Problem(
            503,
            "deadline-exceeded",
            facts={"limit_seconds": seconds},
            headers={"Retry-After": RETRY_AFTER_SECONDS},
        ) from error
    finally:
        over = True
