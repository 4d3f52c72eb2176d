"""Which facts of a batch become entries, at which positions, and which contradict what is recorded.

Invariant: positions are given without a gap from the head's next position, in the order in which the facts came;
a fact that is recorded already gets none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
class Recorded:
    """What is kept of an entry for ever: enough to know it again."""

    source: str
    number: int
    position: int
    event_id: str | None
    fact_sha256: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """A fact and the position that it gets."""

    position: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fact that cannot be true beside the entry at `recorded.position`, which stays as it is."""

    kind: ContradictionKind
    fact: Fact
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a batch. Every fact of it is in exactly one of the three: repeated ones are only counted."""

    placed: Sequence[Placed]
    contradictions: Sequence[Contradiction]
    repeated: int


def plan(facts: Sequence[Fact], recorded: Iterable[Recorded], next_position: int) -> Plan:
    """Decide about a batch.

    `recorded`: what is known under any of the batch's numbers and event ids. The first of several facts of one batch
    under the same number or id wins, as it would in batches of one.
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
            if same_number.fact_sha256 == fact.fact_sha256:
                repeated += 1
                continue
            same_event = same_number.event_id == fact.event_id
            kind = ContradictionKind.CONTENT_CHANGED if same_event else ContradictionKind.NUMBER_REUSED
            contradictions.append(Contradiction(kind, fact, same_number))
        elif same_id is not None:
            contradictions.append(Contradiction(ContradictionKind.EVENT_ID_REUSED, fact, same_id))
        else:
            position = next_position + len(placed)
            placed.append(Placed(position, fact))
            entry = Recorded(fact.source, fact.number, position, fact.event_id, fact.fact_sha256)
            _remember(entry, by_number, by_event_id)
    return Plan(placed, contradictions, repeated)


def _remember(entry: Recorded, by_number: dict[tuple[str, int], Recorded], by_event_id: dict[str, Recorded]) -> None:
    by_number[(entry.source, entry.number)] = entry
    if entry.event_id is not None:
        by_event_id[entry.event_id] = entry
