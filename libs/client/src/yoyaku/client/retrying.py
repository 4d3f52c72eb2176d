"""What is tried again, and how long is waited before.

Tried again is only what is safe to be done twice: reading, and what carries an Idempotency-Key. The wait between two
attempts is what `Retry-After` asks for, else it doubles, both with jitter. An attempt that could not begin within the
patience is not waited for: the last refusal is told at once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from yoyaku.client.errors import ConflictError, ProblemError, TooManyRequestsError, TransportError, UnavailableError

IN_PROGRESS: Final = "request-in-progress"
"""The gateway still works on the attempt before; the same key will get its answer."""
REFUSED_FOR_GOOD: Final = "service-refused"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a request is tried."""

    total_seconds: float = 20.0
    attempt_seconds: float = 10.0
    attempts: int = 6
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 3.0
    jitter: float = 0.25
    """Up to this part is added to a wait, so that many clients do not come back at once."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def persistently(attempt: Callable[[], Awaitable[Answer]], patience: Patience) -> Answer:
    """Return what the first attempt that works returns. Raises what the last one raised.

    Only for what is safe to do twice.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_passing),
        wait=lambda state: _wait_seconds(state, patience),
        stop=stop_after_attempt(patience.attempts) | stop_before_delay(patience.total_seconds),
        sleep=patience.sleep,
        reraise=True,
    )

    async def once() -> Answer:
        # Tenacity awaits only what it can see to be a coroutine function.
        return await attempt()

    return await retrying(once)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same request may work a little later."""
    if isinstance(error, ConflictError):
        return error.code == IN_PROGRESS
    if isinstance(error, UnavailableError):
        return error.code != REFUSED_FOR_GOOD
    return isinstance(error, TransportError | TooManyRequestsError)


def _wait_seconds(state: RetryCallState, patience: Patience) -> float:
    asked = None
    if state.outcome is not None:
        error = state.outcome.exception()
        asked = error.retry_after_seconds if isinstance(error, ProblemError) else None
    doubling: float = patience.first_wait_seconds * 2 ** (state.attempt_number - 1)
    wait = asked if asked is not None else min(doubling, patience.longest_wait_seconds)
    return wait * (1 + random.uniform(0, patience.jitter))  # noqa: S311 - jitter, not a secret
