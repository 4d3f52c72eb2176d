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
from yoyaku.security_detector.domain.witness import Witnessed


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


class WitnessRecord(Protocol):
    """What is known of one origin, held by a transaction: nobody else changes it until that ends."""

    @property
    def newest(self) -> Witnessed | None:
        """The newest checkpoint that was cosigned; none yet for a new origin."""

    async def keep(self, witnessed: Witnessed) -> None:
        """Put a newer one in its place."""


class WitnessRecords(Protocol):
    """The newest cosigned checkpoint of each origin."""

    def held(self, origin: str) -> AbstractAsyncContextManager[WitnessRecord]:
        """Hold the record of an origin for one transaction; it commits when the block ends without an exception."""

    async def newest(self, origin: str) -> Witnessed | None:
        """Read the newest cosigned checkpoint of an origin."""

    async def all(self) -> Sequence[Witnessed]:
        """Read the newest cosigned checkpoint of every origin, the one that was cosigned last first."""
