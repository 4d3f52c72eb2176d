"""An entry that is about to be written, and the tree that it goes into."""

from dataclasses import dataclass
from datetime import datetime

from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.leaf import WrittenLeaf
from yoyaku.audit_log.domain.result import Result
from yoyaku.audit_log.domain.sequence import FactDigest


@dataclass(frozen=True, slots=True)
class Epoch:
    """One tree: entries from `first_position` on, up to the next epoch's first, are its leaves."""

    number: int
    """From 1 on."""
    origin: str
    """`audit.yoyaku/<environment>/<number>`."""
    first_position: int
    opened_at: datetime

    def leaf_index(self, position: int) -> int:
        """Tell which leaf of this tree an entry is."""
        return position - self.first_position


@dataclass(frozen=True, slots=True)
class ClientOfEntry:
    """From which client address an entry came, so that it is found by it."""

    digest: bytes
    """16 bytes, keyed."""
    key_reference: str
    """Whose the address is."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """All that is written of one entry."""

    position: int
    recorded_at: datetime
    epoch: int
    written: WrittenLeaf
    leaf_hash: bytes
    fact: Fact
    result: Result | None
    digest: FactDigest
    client: ClientOfEntry | None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """The number of a fact that is no entry (AU-01)."""

    source: str
    number: int
    type: str


def origin_of(environment: str, epoch: int) -> str:
    """Name the tree of an epoch, and its key. Source: C2SP tlog-checkpoint, "origin"."""
    return f"audit.yoyaku/{environment}/{epoch}"
