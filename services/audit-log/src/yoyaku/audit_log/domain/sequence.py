"""Which facts of a batch become entries, at which positions, and which contradict what is recorded.

Invariant: positions are given without a gap from the head's next position, in the order in which the facts came;
a fact that is recorded already gets none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from yoyaku.audit_log.domain.fact import Fact


class ContradictionKind(StrEnum):
    """How a fact contradicts an entry."""

    CONTENT_CHANGED = "content_changed"
    """The same event, by id and number, with other attributes or another body."""
    NUMBER_REUSED = "number_reused"
    """Another event under a number that its source has used."""
    EVENT_ID_REUSED = "event_id_reused"
    """Another event under an id that was used."""


@dataclass(frozen=True, slots=True)
class FactDigest:
    """What tells whether two facts have the same bytes.

    A digest of personal values could be guessed: it is keyed, and worth nothing once a key of it is destroyed.
    """

    value: bytes
    """32 bytes."""
    key_references: tuple[str, ...] = ()
    """Whose keys it is made with, sorted; none: plain SHA-256, the fact has no personal value."""


class Digests(Protocol):
    """Makes the digests of facts."""

    def own(self, fact: Fact) -> FactDigest:
        """Give the digest that is kept of a fact."""

    def under(self, fact: Fact, key_references: tuple[str, ...]) -> bytes | None:
        """Give the digest of a fact with the keys named; None when one of them was destroyed."""


class PlainDigests:
    """Digests without keys, for facts without personal values."""

    def own(self, fact: Fact) -> FactDigest:
        """Give the SHA-256 of the fact."""
        return FactDigest(fact.fact_sha256)

    def under(self, fact: Fact, key_references: tuple[str, ...]) -> bytes | None:
        """Give the SHA-256 of the fact; there are no keys."""
        return None if key_references else fact.fact_sha256


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept of a fact that contradicts an entry."""

    headers: bytes
    body: bytes
    key_references: tuple[str, ...] = ()
    """Whose keys it takes to read it, sorted; none: it is as received. Empty bytes: one of them was destroyed."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is kept of an entry for ever: enough to know it again."""

    source: str
    number: int
    position: int
    event_id: str | None
    digest: FactDigest


@dataclass(frozen=True, slots=True)
class Placed:
    """A fact, the position that it gets, and the digest that is kept of it."""

    position: int
    fact: Fact
    digest: FactDigest


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fact that cannot be true beside the entry at `recorded.position`, which stays as it is."""

    kind: ContradictionKind
    fact: Fact
    digest: FactDigest
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a batch. Every fact of it is in exactly one of the three: repeated ones are only counted."""

    placed: Sequence[Placed]
    contradictions: Sequence[Contradiction]
    repeated: int


def plan(facts: Sequence[Fact], recorded: Iterable[Recorded], next_position: int, digests: Digests) -> Plan:
    """Decide about a batch.

    `recorded`: what is known under any of the batch's numbers and event ids. The first of several facts of one batch
    under the same number or id wins, as it would in batches of one. A fact whose digest can no longer be made (its
    person was forgotten) is known again by source, number and event id alone.
    """
    by_number: dict[tuple[str, int], Recorded] = {}
    by_event_id: dict[str, Recorded] = {}
    for known in recorded:
        _remember(known, by_number, by_event_id)
    placed: list[Placed] = []
    contradictions: list[Contradiction] = []
    repeated = 0
    for fact in facts:
        same_number = by_number.get((fact.source, fact.number))
        same_id = by_event_id.get(fact.event_id) if fact.event_id is not None else None
        if same_number is not None:
            if _is_same(fact, same_number, digests):
                repeated += 1
                continue
            same_event = same_number.event_id == fact.event_id
            kind = ContradictionKind.CONTENT_CHANGED if same_event else ContradictionKind.NUMBER_REUSED
            contradictions.append(Contradiction(kind, fact, digests.own(fact), same_number))
        elif same_id is not None:
            contradictions.append(Contradiction(ContradictionKind.EVENT_ID_REUSED, fact, digests.own(fact), same_id))
        else:
            position = next_position + len(placed)
            digest = digests.own(fact)
            placed.append(Placed(position, fact, digest))
            entry = Recorded(fact.source, fact.number, position, fact.event_id, digest)
            _remember(entry, by_number, by_event_id)
    return Plan(placed, contradictions, repeated)


def _is_same(fact: Fact, recorded: Recorded, digests: Digests) -> bool:
    digest = digests.under(fact, recorded.digest.key_references)
    if digest is None:
        return fact.event_id == recorded.event_id
    return digest == recorded.digest.value


def _remember(entry: Recorded, by_number: dict[tuple[str, int], Recorded], by_event_id: dict[str, Recorded]) -> None:
    by_number[(entry.source, entry.number)] = entry
    if entry.event_id is not None:
        by_event_id[entry.event_id] = entry
