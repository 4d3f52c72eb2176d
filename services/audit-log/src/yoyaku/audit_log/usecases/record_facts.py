"""Record a batch of facts: one transaction for all, so that all of them are in the log or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from yoyaku.audit_log.domain.fact import Fact
from yoyaku.audit_log.domain.sequence import Placed, plan
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

    def __init__(self, log: Log) -> None:
        self._log = log

    async def __call__(self, facts: Sequence[Fact]) -> Recording:
        """Record the facts in the order given. Idempotent by (source, number) and by event id.

        Raises LeadershipLostError when another process leads (nothing is recorded then), and the errors of
        yoyaku.postgres.
        """
        if not facts:
            return Recording((), None, 0, 0)
        async with self._log.transaction() as transaction:
            head = await transaction.hold_head()
            decided = plan(facts, await transaction.recorded_under(facts), head.next_position)
            if decided.placed:
                await transaction.append(decided.placed, head.recorded_at)
            if decided.contradictions:
                new = await transaction.keep_contradictions(decided.contradictions, head.recorded_at)
                for contradiction in new:
                    transaction.report(contradiction)
        return Recording(
            decided.placed,
            head.recorded_at if decided.placed else None,
            decided.repeated,
            len(decided.contradictions),
        )
