"""Record a batch of facts: one transaction for all, so that all of them are in the log or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.leaf import leaf_of
from yoyaku.audit_log.domain.new_entry import NewEntry, PassedOver
from yoyaku.audit_log.domain.result import result_of
from yoyaku.audit_log.domain.sequence import Placed, plan
from yoyaku.audit_log.usecases.growing_tree import GrowingTree
from yoyaku.audit_log.usecases.personal import Personal, PersonalBatch
from yoyaku.audit_log.usecases.ports import Log


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of a batch. `recorded_at` is `None` when nothing of it was new."""

    placed: Sequence[Placed]
    recorded_at: datetime | None
    repeated: int
    contradicting: int


class RecordFacts:
    """Append what is new, skip what is known, keep and tell what contradicts."""

    def __init__(self, log: Log, tree: GrowingTree, personal: Personal) -> None:
        self._log = log
        self._personal = personal
        self._tree = tree

    async def __call__(self, facts: Sequence[Fact], passed_over: Sequence[PassedOver] = ()) -> Recording:
        """Record the facts in the order given, and note the numbers of those that are no entries.

        Idempotent by (source, number) and by event id. Raises LeadershipLostError when another process leads (nothing
        is recorded then), NoEpochError, and the errors of yoyaku.postgres.
        """
        if not facts and not passed_over:
            return Recording((), None, 0, 0)
        async with self._log.transaction() as transaction:
            head = await transaction.hold_head()
            growth = await self._tree.at(transaction.tree, head.next_position)
            known = await transaction.recorded_under(facts) if facts else ()
            batch = await self._personal.of_batch(transaction.keys, facts, known)
            decided = plan(facts, known, head.next_position, batch)
            if decided.placed:
                entries = [new_entry(placed, head.recorded_at, growth.epoch.number, batch) for placed in decided.placed]
                growth, tiles = growth.grown([entry.leaf_hash for entry in entries])
                await transaction.append(entries)
                await transaction.tree.keep_tiles(growth.epoch.number, tiles)
            if passed_over:
                await transaction.pass_over(passed_over, head.recorded_at)
            if decided.contradictions:
                found = [(one, batch.evidence(one.fact)) for one in decided.contradictions]
                new = await transaction.keep_contradictions(found, head.recorded_at)
                for contradiction in new:
                    transaction.report(contradiction)
        self._tree.moved(growth)
        return Recording(
            decided.placed,
            head.recorded_at if decided.placed else None,
            decided.repeated,
            len(decided.contradictions),
        )


def new_entry(placed: Placed, recorded_at: datetime, epoch: int, batch: PersonalBatch) -> NewEntry:
    """Write all of an entry, its leaf first; the fact is one of the batch."""
    fact = placed.fact
    written = leaf_of(fact, placed.position, recorded_at, batch.sealing(fact), batch.body(fact))
    return NewEntry(
        position=placed.position,
        recorded_at=recorded_at,
        epoch=epoch,
        written=written,
        leaf_hash=written.hash,
        fact=fact,
        result=result_of(fact.type) if fact.problem is None else None,
        digest=placed.digest,
        client=batch.client(fact),
    )
