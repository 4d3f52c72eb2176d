"""What the use cases need from outside. Ports of the tree: `tree_ports`."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.new_entry import NewEntry, PassedOver
from yoyaku.audit_log.domain.sequence import Contradiction, Evidence, Recorded
from yoyaku.audit_log.usecases.key_ports import PersonalKeys
from yoyaku.audit_log.usecases.tree_ports import TreeRows

ACTOR: Final = "service/audit-log"
"""Who acts in the facts that this service tells by itself."""


class DamagedLogError(Exception):
    """The log's own rows do not let it go on where it ends: the term is over, the next one begins a new epoch."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends, held by this transaction until it commits.

    `recorded_at`: the time of recording for what is appended now; aware UTC, never earlier than the last entry's.
    """

    next_position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Unproven:
    """An entry that was recorded before there was a tree."""

    position: int
    recorded_at: datetime
    fact: Fact


class LogTransaction(Protocol):
    """One transaction of the sequencer. It commits only while this process leads."""

    @property
    def tree(self) -> TreeRows:
        """Epochs, tiles and checkpoints, in this transaction."""

    @property
    def keys(self) -> PersonalKeys:
        """Keys of personal values, in this transaction."""

    async def hold_head(self) -> Head:
        """Hold the head row; another sequencer waits. Raises DamagedLogError when it is gone."""

    async def see_clear(self, head: Head) -> None:
        """See that nothing stands where the next entries go. Raises DamagedLogError."""

    async def recorded_under(self, facts: Sequence[Fact]) -> Sequence[Recorded]:
        """Return what is recorded under any number or event id of these facts."""

    async def append(self, entries: Sequence[NewEntry]) -> None:
        """Write entries, at least one, in order of position, and move the head past the last of them."""

    async def unproven(self, position: int, limit: int) -> Sequence[Unproven]:
        """Return entries from before there was a tree, from a position on, in order."""

    async def make_partitions(self, moments: Collection[datetime]) -> None:
        """See that there are partitions for entries recorded at these moments; that of the head's is there."""

    async def pass_over(self, facts: Sequence[PassedOver], seen_at: datetime) -> None:
        """Note the numbers of facts that are no entries; those noted before stay as they are."""

    async def keep_contradictions(
        self, contradictions: Sequence[tuple[Contradiction, Evidence]], found_at: datetime
    ) -> Sequence[Contradiction]:
        """Keep the evidence; return those that were not known before."""

    def report(self, contradiction: Contradiction) -> None:
        """Tell `audit.integrity.violated.v1` through the outbox of this transaction."""


class Log(Protocol):
    """The append side."""

    def transaction(self) -> AbstractAsyncContextManager[LogTransaction]:
        """Open a transaction; it commits when the block ends without an exception."""
