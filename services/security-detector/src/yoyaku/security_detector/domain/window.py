"""Sliding windows over event time.

Invariant: the result depends on the set of failures alone, never on the order or the number of their deliveries.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from yoyaku.security_detector.domain.failure import Failure


def in_event_time(failures: Iterable[Failure]) -> list[Failure]:
    """Order failures by event time and drop those delivered before."""
    by_id: dict[str, Failure] = {}
    for failure in failures:
        by_id.setdefault(failure.event_id, failure)
    return sorted(by_id.values(), key=lambda failure: failure.place)


def bursts(failures: Iterable[Failure], count: int, span: timedelta) -> Iterator[tuple[Failure, ...]]:
    """Yield each run of `count` failures whose first and last are at most `span` apart, the earliest-ending first.

    The last failure of a run is the one that fills the window.
    """
    ordered = in_event_time(failures)
    for end in range(count, len(ordered) + 1):
        run = ordered[end - count : end]
        if run[-1].occurred_at - run[0].occurred_at <= span:
            yield tuple(run)
