"""From failures to incidents: a pure judgement of one address.

Invariants: a failure belongs to one incident at most; the times covered by two incidents of an address never overlap,
so that a blocked address gets no second incident; the same failures in the same order of event time give the same
incidents with the same ids, live or replayed, in whatever batches they come.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.window import bursts, in_event_time

_INCIDENTS: Final = uuid.UUID("5b1b1b52-6d0c-5f0e-9a0c-3a1f6c1f6d01")
_BLOCKS: Final = uuid.UUID("5b1b1b52-6d0c-5f0e-9a0c-3a1f6c1f6d02")


@dataclass(frozen=True, slots=True)
class Incident:
    """A rule fired on one address: by these events, at this moment of event time, answered until `covers_until`.

    Both times are aware UTC. From `opened_at` to `covers_until` the address is refused, so nothing more is judged.
    """

    incident_id: str
    address: str
    event_ids: tuple[str, ...]
    opened_at: datetime
    covers_until: datetime
    rule: str

    def absorbs(self, failure: Failure, rule: Rule) -> bool:
        """Whether a failure belongs to this attack: in the window that led to it, or while it is answered."""
        return self.opened_at - failure.occurred_at <= rule.window and failure.occurred_at < self.covers_until

    def overlaps(self, moment: datetime, rule: Rule) -> bool:
        """Whether an incident opened at `moment` would be answered while this one is."""
        return self.opened_at - moment < rule.block_for and moment < self.covers_until


@dataclass(frozen=True, slots=True)
class Verdict:
    """A new incident, the failure that decided it, and the id of the block that answers it."""

    incident: Incident
    decided_by: Failure
    block_id: str

    def is_over(self, now: datetime) -> bool:
        """Whether the attack was seen so late that there is nothing left to block."""
        return self.incident.covers_until <= now


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from the failures of one address. `settled`: failure -> incident, for each that is done with."""

    verdicts: Sequence[Verdict]
    settled: Mapping[str, str]


def judge(rule: Rule, address: str, failures: Iterable[Failure], past: Iterable[Incident]) -> Judgement:
    """Judge the unsettled failures of an address, given the incidents it already had."""
    incidents = list(past)
    verdicts: list[Verdict] = []
    settled: dict[str, str] = {}
    open_failures = in_event_time(failures)
    while True:
        open_failures = _settle(rule, open_failures, incidents, settled)
        verdict = _next_verdict(rule, address, open_failures, incidents)
        if verdict is None:
            return Judgement(verdicts, settled)
        verdicts.append(verdict)
        incidents.append(verdict.incident)
        settled.update(dict.fromkeys(verdict.incident.event_ids, verdict.incident.incident_id))


def _settle(
    rule: Rule, failures: Iterable[Failure], incidents: Sequence[Incident], settled: dict[str, str]
) -> list[Failure]:
    still_open = []
    for failure in failures:
        if failure.event_id in settled:
            continue
        absorbing = next((one for one in incidents if one.absorbs(failure, rule)), None)
        if absorbing is None:
            still_open.append(failure)
        else:
            settled[failure.event_id] = absorbing.incident_id
    return still_open


def _next_verdict(
    rule: Rule, address: str, failures: Sequence[Failure], incidents: Sequence[Incident]
) -> Verdict | None:
    for run in bursts(failures, rule.threshold, rule.window):
        decided_by = run[-1]
        if not any(one.overlaps(decided_by.occurred_at, rule) for one in incidents):
            return _verdict(rule, address, run)
    return None


def _verdict(rule: Rule, address: str, run: Sequence[Failure]) -> Verdict:
    decided_by = run[-1]
    fact = f"{rule.name}/{rule.version}/{decided_by.event_id}"
    incident = Incident(
        incident_id=str(uuid.uuid5(_INCIDENTS, fact)),
        address=address,
        event_ids=tuple(failure.event_id for failure in run),
        opened_at=decided_by.occurred_at,
        covers_until=decided_by.occurred_at + rule.block_for,
        rule=rule.name,
    )
    return Verdict(incident, decided_by, str(uuid.uuid5(_BLOCKS, fact)))
