"""From failures to incidents: five within a minute, one incident while it is answered, the same on every replay."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yoyaku.security_detector.domain.failure import Failure
from yoyaku.security_detector.domain.rule import Rule
from yoyaku.security_detector.domain.verdict import Incident, judge
from yoyaku.security_detector.domain.window import bursts

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

pytestmark = pytest.mark.requirement("SD-02")

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
RULE = Rule(threshold=5, window=timedelta(seconds=60), block_for=timedelta(seconds=300))
SHORT = Rule(threshold=3, window=timedelta(seconds=60), block_for=timedelta(seconds=20))
ADDRESS = "203.0.113.9"


def at(second: float, name: str | None = None) -> Failure:
    return Failure(name or f"e{second:09.1f}", ADDRESS, START + timedelta(seconds=second), "c")


def deliver(rule: Rule, batches: Sequence[Sequence[Failure]]) -> list[Incident]:
    """Do in memory what the detector does batch by batch."""
    kept: dict[str, Failure] = {}
    settled: dict[str, str] = {}
    incidents: list[Incident] = []
    for batch in batches:
        kept.update({one.event_id: one for one in batch if one.event_id not in kept})
        unsettled = [one for one in kept.values() if one.event_id not in settled]
        judgement = judge(rule, ADDRESS, unsettled, incidents)
        incidents += [verdict.incident for verdict in judgement.verdicts]
        assert not settled.keys() & judgement.settled.keys()
        settled.update(judgement.settled)
    return incidents


def split(failures: Sequence[Failure], cuts: Sequence[int]) -> list[Sequence[Failure]]:
    edges = [0, *sorted(cut % (len(failures) + 1) for cut in cuts), len(failures)]
    return [failures[start:end] for start, end in pairwise(edges)]


seconds = st.lists(st.integers(0, 900), max_size=40, unique=True).map(sorted)
rules = st.sampled_from([RULE, SHORT])


def test_five_within_a_minute_make_one_incident() -> None:
    failures = [at(second) for second in (0, 10, 20, 30, 40)]
    (incident,) = deliver(RULE, [failures])
    assert incident.event_ids == tuple(one.event_id for one in failures)
    assert incident.opened_at == START + timedelta(seconds=40)
    assert incident.covers_until == START + timedelta(seconds=340)


@pytest.mark.parametrize("times", [(0, 10, 20, 30), (0, 20, 40, 60, 61), (0, 16, 32, 48, 64, 80)])
def test_fewer_or_slower_make_none(times: Sequence[int]) -> None:
    assert deliver(RULE, [[at(second) for second in times]]) == []


def test_an_address_that_is_blocked_gets_no_second_incident() -> None:
    attack = [at(second) for second in range(304)]
    assert len(deliver(RULE, [[one] for one in attack])) == 1


def test_it_gets_another_when_it_goes_on_after_the_block() -> None:
    first, second = deliver(RULE, [[at(second)] for second in range(400)])
    assert second.opened_at == first.covers_until + timedelta(seconds=4)


def test_what_comes_late_from_before_an_incident_belongs_to_it() -> None:
    late = [at(second) for second in (3, 4, 5, 6, 7)]
    assert len(deliver(RULE, [[at(second) for second in (10, 20, 30, 40, 50)], late])) == 1


def test_an_attack_from_before_whose_block_would_still_last_is_no_second_incident() -> None:
    late = [at(second) for second in (0, 1, 2, 3, 4)]
    assert len(deliver(RULE, [[at(200 + second) for second in range(5)], late])) == 1


def test_an_attack_long_before_that_arrives_late_is_an_incident_of_its_own() -> None:
    late = [at(second) for second in (0, 1, 2, 3, 4)]
    new, old = deliver(RULE, [[at(1000 + second) for second in range(5)], late])
    assert old.covers_until <= new.opened_at


@patient
@given(rules, seconds, st.lists(st.integers(0, 100), max_size=8))
def test_batches_change_nothing(rule: Rule, times: list[int], cuts: list[int]) -> None:
    failures = [at(second) for second in times]
    assert deliver(rule, split(failures, cuts)) == deliver(rule, [failures])


@patient
@given(rules, seconds, st.lists(st.integers(0, 100), max_size=8))
def test_a_replay_finds_nothing_new(rule: Rule, times: list[int], cuts: list[int]) -> None:
    failures = [at(second) for second in times]
    batches = split(failures, cuts)
    assert deliver(rule, [*batches, *batches, failures]) == deliver(rule, batches)


@patient
@given(rules, seconds, st.randoms(use_true_random=False), st.lists(st.integers(0, 100), max_size=8))
def test_in_any_order_an_attack_is_seen_and_no_fact_counts_twice(
    rule: Rule, times: list[int], chance: object, cuts: list[int]
) -> None:
    failures = [at(second) for second in times]
    delivered = failures + failures[::2]
    chance.shuffle(delivered)  # type: ignore[attr-defined]
    incidents = deliver(rule, split(delivered, cuts))
    assert bool(incidents) is any(bursts(failures, rule.threshold, rule.window))
    used = [event_id for incident in incidents for event_id in incident.event_ids]
    assert len(used) == len(set(used)) == len(incidents) * rule.threshold
    ordered = sorted(incidents, key=lambda incident: incident.opened_at)
    for earlier, later in pairwise(ordered):
        assert earlier.covers_until <= later.opened_at
    assert len({incident.incident_id for incident in incidents}) == len(incidents)


def test_ids_follow_from_the_facts() -> None:
    failures = [at(second) for second in range(5)]
    once, again = judge(RULE, ADDRESS, failures, []), judge(RULE, ADDRESS, reversed(failures), [])
    assert once.verdicts == again.verdicts
    assert once.verdicts[0].block_id != once.verdicts[0].incident.incident_id


@pytest.mark.parametrize("broken", [{"threshold": 0}, {"window": timedelta()}, {"block_for": -timedelta(seconds=1)}])
def test_a_rule_that_could_never_work_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Rule(**{"threshold": 5, "window": timedelta(60), "block_for": timedelta(60), **broken})  # type: ignore[arg-type]
