"""End what is over: blocks past their time, evidence past its keeping."""

from datetime import datetime, timedelta
from typing import Final

from yoyaku.security_detector.usecases.ports import Journal

EVIDENCE_KEPT: Final = timedelta(days=40)
"""Longer than the stream keeps an event, so that one delivered again is always recognised."""


class ExpireBlocks:
    """Records each block whose time is over as expired, once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def __call__(self, now: datetime) -> int:
        """Return how many ended. `now`: aware UTC. Raises LeadershipLostError and the errors of yoyaku.postgres."""
        async with self._journal.transaction() as transaction:
            return await transaction.expire(now)


class ForgetFailures:
    """Drops failed sign-ins that no rule and no redelivery can need any more."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def __call__(self, now: datetime) -> int:
        """Return how many were dropped. Raises LeadershipLostError and the errors of yoyaku.postgres."""
        async with self._journal.transaction() as transaction:
            return await transaction.forget(now - EVIDENCE_KEPT)
