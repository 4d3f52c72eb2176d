"""Judge a batch of failed sign-ins: one transaction for evidence, incidents, blocks and events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from yoyaku.security_detector.domain.block import Block
from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.verdict import Incident, judge
from yoyaku.security_detector.usecases.ports import Journal


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch led to, all of it committed. `blocks` have to be pushed now."""

    new_failures: int = 0
    incidents: Sequence[Incident] = ()
    blocks: Sequence[Block] = ()


class JudgeFailures:
    """Keeps what is new, opens the incidents that follow from it, and imposes their blocks."""

    def __init__(self, journal: Journal, rule: Rule) -> None:
        self._journal = journal
        self._rule = rule

    async def __call__(self, failures: Sequence[Failure], now: datetime) -> Judged:
        """Return what was committed. Idempotent by event id.

        `now`: aware UTC. An event time later than that counts as now: a clock that is ahead must not block longer.
        Raises LeadershipLostError when another process leads, and the errors of yoyaku.postgres.
        """
        if not failures:
            return Judged()
        incidents: list[Incident] = []
        blocks: list[Block] = []
        async with self._journal.transaction() as transaction:
            past = [replace(one, occurred_at=min(one.occurred_at, now)) for one in failures]
            fresh = await transaction.record(past)
            if not fresh:
                return Judged()
            settled: dict[str, str] = {}
            found = await transaction.surroundings(self._rule, fresh)
            for address, surroundings in sorted(found.items()):
                judgement = judge(self._rule, address, surroundings.failures, surroundings.incidents)
                settled.update(judgement.settled)
                for verdict in judgement.verdicts:
                    incidents.append(verdict.incident)
                    block = await transaction.open_incident(self._rule, verdict, now)
                    blocks.extend([block] if block else [])
            if settled:
                await transaction.settle(settled)
        return Judged(len(fresh), incidents, blocks)
