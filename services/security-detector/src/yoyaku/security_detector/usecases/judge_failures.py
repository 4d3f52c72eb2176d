"""Judge a batch of failed sign-ins: one transaction for evidence, incidents, blocks and events."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.verdict import judge
from yoyaku.security_detector.usecases.ports import Journal


class JudgeFailures:
    """Keeps what is new, opens the incidents that follow from it, and imposes their blocks."""

    def __init__(self, journal: Journal, rule: Rule) -> None:
        self._journal = journal
        self._rule = rule

    async def __call__(self, failures: Sequence[Failure], now: datetime) -> Sequence[Block]:
        """Return the blocks that were committed and now have to be pushed. Idempotent by event id.

        `now`: aware UTC. An event time later than that counts as now: a clock that is ahead must not block longer.
        Raises LeadershipLostError when another process leads, and the errors of yoyaku.postgres.
        """
        if not failures:
            return ()
        blocks: list[Block] = []
        async with self._journal.transaction() as transaction:
            past = [replace(one, occurred_at=min(one.occurred_at, now)) for one in failures]
            fresh = await transaction.record(past)
            if not fresh:
                return ()
            settled: dict[str, str] = {}
            found = await transaction.surroundings(self._rule, fresh)
            for address, surroundings in sorted(found.items()):
                judgement = judge(self._rule, address, surroundings.failures, surroundings.incidents)
                settled.update(judgement.settled)
                for verdict in judgement.verdicts:
                    block = await transaction.open_incident(self._rule, verdict, now)
                    blocks.extend([block] if block else [])
            if settled:
                await transaction.settle(settled)
        return blocks
