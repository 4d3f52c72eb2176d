from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.audit_log.domain.fact import Fact, Origin, readable_fact
from yoyaku.audit_log.domain.sequence import ContradictionKind, FactDigest, PlainDigests, Recorded, plan

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fact(number: int, *, source: str = "/booking/07", event_id: str | None = None, body: bytes = b"{}") -> Fact:
    return readable_fact(
        source=source,
        number=number,
        event_id=event_id or f"{source}#{number}",
        type="booking.reservation.confirmed.v1",
        occurred_at=NOON,
        actor="person/1",
        subject="reservation/1",
        correlation_id="c",
        causation_id=None,
        client_address=None,
        dataschema="s",
        traceparent=None,
        body=body,
        headers={},
        origin=Origin("BOOKING", number + 1),
    )


def as_recorded(position: int, one: Fact) -> Recorded:
    return Recorded(one.source, one.number, position, one.event_id, FactDigest(one.fact_sha256))


@pytest.mark.requirement("AU-01")
def test_new_facts_get_positions_from_the_head_on_in_their_order() -> None:
    decided = plan([fact(4), fact(0), fact(2)], [], 10, PlainDigests())
    assert [(one.position, one.fact.number) for one in decided.placed] == [(10, 4), (11, 0), (12, 2)]
    assert not decided.contradictions
    assert decided.repeated == 0


@pytest.mark.requirement("AU-01", "EV-04")
def test_a_fact_that_is_recorded_gets_no_position_and_leaves_no_gap() -> None:
    decided = plan([fact(0), fact(1), fact(0), fact(2)], [as_recorded(3, fact(1))], 10, PlainDigests())
    assert [(one.position, one.fact.number) for one in decided.placed] == [(10, 0), (11, 2)]
    assert decided.repeated == 2


@pytest.mark.requirement("AU-01")
def test_the_same_event_with_another_body_contradicts() -> None:
    decided = plan([fact(1, body=b'{"a":1}')], [as_recorded(3, fact(1))], 10, PlainDigests())
    assert [one.kind for one in decided.contradictions] == [ContradictionKind.CONTENT_CHANGED]
    assert decided.contradictions[0].recorded.position == 3
    assert not decided.placed


@pytest.mark.requirement("AU-01")
def test_the_same_event_with_another_actor_contradicts() -> None:
    forged = readable_fact(
        source="/booking/07",
        number=1,
        event_id="/booking/07#1",
        type="booking.reservation.confirmed.v1",
        occurred_at=NOON,
        actor="person/2",
        subject="reservation/1",
        correlation_id="c",
        causation_id=None,
        client_address=None,
        dataschema="s",
        traceparent=None,
        body=b"{}",
        headers={},
        origin=Origin("BOOKING", 9),
    )
    decided = plan([forged], [as_recorded(3, fact(1))], 10, PlainDigests())
    assert [one.kind for one in decided.contradictions] == [ContradictionKind.CONTENT_CHANGED]


def test_another_event_under_a_used_number_contradicts() -> None:
    decided = plan([fact(1, event_id="other")], [as_recorded(3, fact(1))], 10, PlainDigests())
    assert [one.kind for one in decided.contradictions] == [ContradictionKind.NUMBER_REUSED]


def test_another_event_under_a_used_id_contradicts() -> None:
    decided = plan([fact(5, event_id="/booking/07#1")], [as_recorded(3, fact(1))], 10, PlainDigests())
    assert [one.kind for one in decided.contradictions] == [ContradictionKind.EVENT_ID_REUSED]


def test_a_contradiction_inside_one_batch_is_seen() -> None:
    decided = plan([fact(1), fact(1, body=b"[]")], [], 0, PlainDigests())
    assert [one.position for one in decided.placed] == [0]
    assert decided.contradictions[0].recorded.position == 0


def test_another_trace_context_is_no_contradiction() -> None:
    redriven = replace(fact(1), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert plan([redriven], [as_recorded(3, fact(1))], 10, PlainDigests()).repeated == 1


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([b"a", b"b"])), max_size=40),
    st.lists(st.integers(1, 7), max_size=20),
)
@pytest.mark.requirement("AU-01", "EV-04")
def test_any_cutting_into_batches_gives_the_same_log(arrivals: list[tuple[int, bytes]], cuts: list[int]) -> None:
    facts = [fact(number, body=body) for number, body in arrivals]
    whole = plan(facts, [], 0, PlainDigests())
    recorded: list[Recorded] = []
    contradicting = 0
    rest = facts
    for size in [*cuts, len(facts) or 1]:
        batch, rest = rest[:size], rest[size:]
        decided = plan(batch, recorded, len(recorded), PlainDigests())
        recorded += [as_recorded(one.position, one.fact) for one in decided.placed]
        contradicting += len(decided.contradictions)
        again = plan(batch, recorded, len(recorded), PlainDigests())
        assert not again.placed
    assert recorded == [as_recorded(one.position, one.fact) for one in whole.placed]
    assert [one.position for one in recorded] == list(range(len(recorded)))
    assert contradicting == len(whole.contradictions)
