"""What becomes of an event whose handling failed: decided here, purely, and carried out by `consumer`.

    OutcomeError
    ├── RetryLater              not now; try this event again after a delay; spends an attempt
    ├── Reject                  never; to the dead letters at once, with the reason
    └── DependencyUnavailableError   nothing can be handled now; wait, spend no attempt

`yoyaku.postgres` raises its own DatabaseUnavailableError, which pauses too. Any other exception is a failed
attempt. Invariant: no exception ends in an acknowledgement unless the event lies in DEAD_LETTERS.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from yoyaku.postgres.errors import DatabaseUnavailableError

MAX_ATTEMPTS: Final = 5
"""Failed attempts after which an event becomes a dead letter."""


class OutcomeError(Exception):
    """A handler's way to say what is to become of an event."""


class RetryLater(OutcomeError):  # noqa: N818  it is an outcome, raised
    """Try the event again in `delay_seconds`, within the bounded attempts."""

    def __init__(self, delay_seconds: float, reason: str = "asked to be retried") -> None:
        self.delay_seconds = delay_seconds
        super().__init__(reason)


class Reject(OutcomeError):  # noqa: N818  it is an outcome, raised
    """Put the event into the dead letters now: no retry can help."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class DependencyUnavailableError(OutcomeError):
    """What the handler needs is away: wait for it, and spend no attempt."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential delays with jitter, so that what failed together does not come back together."""

    max_attempts: int = MAX_ATTEMPTS
    first_delay_seconds: float = 0.5
    max_delay_seconds: float = 60.0
    jitter: float = 0.25

    def delay_seconds(self, attempt: int, *, chance: Callable[[], float] = random.random) -> float:
        """Give the delay after failed attempt number `attempt` (from 1), within ± `jitter` of the doubling value."""
        doubled = self.first_delay_seconds * 2.0 ** min(attempt - 1, 60)
        return min(doubled, self.max_delay_seconds) * (1 + self.jitter * (2 * chance() - 1))


@dataclass(frozen=True, slots=True)
class Retry:
    """Deliver the event again after a delay."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Give the event up: it goes to DEAD_LETTERS with this reason."""

    reason: str


def pauses(error: BaseException) -> bool:
    """Tell whether the failure is of something the handler depends on, rather than of the event."""
    return isinstance(error, DependencyUnavailableError | DatabaseUnavailableError)


def decide(
    error: Exception, *, attempt: int, delivered_count: int, max_deliver: int, policy: RetryPolicy
) -> Retry | DeadLetter:
    """Decide about one event that failed for the `attempt`-th time (from 1).

    The last delivery the server would make is a dead letter too: after it the event would come no more.
    """
    if isinstance(error, Reject):
        return DeadLetter(error.reason)
    if attempt >= policy.max_attempts:
        return DeadLetter(f"failed {attempt} times")
    if 0 < max_deliver <= delivered_count:
        return DeadLetter(f"delivered {delivered_count} times, the most the consumer allows")
    if isinstance(error, RetryLater):
        return Retry(error.delay_seconds)
    return Retry(policy.delay_seconds(attempt))
