"""What the use cases need from outside.

BucketAwayError   the bucket of the gateways cannot be read or written just now
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.verdict import Incident, Verdict


class BucketAwayError(Exception):
    """The bucket that the gateways watch cannot be read or written just now."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What may bear on the new failures of one address: failures not settled yet, incidents near them."""

    failures: Sequence[Failure]
    incidents: Sequence[Incident]


class JournalTransaction(Protocol):
    """One transaction of the leading detector; it commits only while this process leads."""

    async def record(self, failures: Sequence[Failure]) -> Sequence[Failure]:
        """Keep failures and return those that were not known before."""

    async def surroundings(self, rule: Rule, fresh: Sequence[Failure]) -> Mapping[str, Surroundings]:
        """Return what may bear on these failures, by address."""

    async def settle(self, incident_of: Mapping[str, str]) -> None:
        """Tie failures to the incident each belongs to."""

    async def open_incident(self, rule: Rule, verdict: Verdict, now: datetime) -> Block | None:
        """Keep an incident with its block and emit both events; no block when the time of it is over already."""

    async def expire(self, now: datetime) -> int:
        """Record every block whose time is over as expired, emit the events, and return how many."""

    async def forget(self, before: datetime) -> int:
        """Drop failures recorded before a moment and return how many."""


class Journal(Protocol):
    """Failures, incidents and blocks."""

    def transaction(self) -> AbstractAsyncContextManager[JournalTransaction]:
        """Open a transaction; it commits when the block of code ends without an exception."""


class Blocks(Protocol):
    """The committed blocks."""

    async def in_force(self, now: datetime) -> Sequence[Block]:
        """Return the blocks that are not over, by the value they refuse."""


class Bucket(Protocol):
    """The bucket of blocks that every gateway watches."""

    async def put(self, block: Block, now: datetime) -> None:
        """Put a block there until its time is over. Raises BucketAwayError."""

    async def missing(self, blocks: Iterable[Block]) -> Sequence[Block]:
        """Return those that are not in the bucket as they should be. Raises BucketAwayError."""
