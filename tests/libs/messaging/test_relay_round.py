from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.messaging.publishing import Outcome
from yoyaku.messaging.relay_round import FAILURE_GAP, Position, Round, prepare_round

pytestmark = pytest.mark.requirement("EV-03")
DAY = date(2026, 11, 23)
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def row(shard: int, number: int, published_number: int) -> dict[str, object]:
    return {
        "shard": shard,
        "number": number,
        "day": DAY,
        "type": "booking.room.created.v1",
        "headers": f'{{"ce-id": "{shard}-{number}", "ce-source": "/booking/{shard:02d}"}}',
        "body": b"{}",
        "traceparent": UNSAMPLED,
        "published_number": published_number,
    }


def ok() -> Outcome:
    return Outcome(failure=None, stream="BOOKING")


def ids(prepared: Round) -> list[str]:
    return [message.headers["Nats-Msg-Id"] for message in prepared.messages]


def test_rows_become_messages_in_their_order() -> None:
    prepared = prepare_round([row(1, 5, 4), row(1, 6, 4), row(2, 1, 0)], careful=())
    assert ids(prepared) == ["1-5", "1-6", "2-1"]
    assert [message.headers["ce-sequence"] for message in prepared.messages] == ["5", "6", "1"]
    assert prepared.messages[0].headers["traceparent"] == UNSAMPLED
    prepared.conclude([ok(), ok(), ok()])
    assert prepared.advanced == {1: Position(6, DAY), 2: Position(1, DAY)}
    assert prepared.failures == {}


def test_a_cursor_stops_before_the_first_failure_whatever_came_after() -> None:
    prepared = prepare_round([row(1, n, 0) for n in range(1, 5)] + [row(2, 1, 0)], careful=())
    prepared.conclude([ok(), Outcome(failure="full"), ok(), Outcome(failure="later"), ok()])
    assert prepared.advanced == {1: Position(1, DAY), 2: Position(1, DAY)}
    assert prepared.failures == {1: "full"}


def test_nothing_is_sent_after_a_gap_and_what_came_before_counts() -> None:
    prepared = prepare_round([row(1, 1, 0), row(1, 3, 0), row(1, 4, 0), row(2, 9, 7)], careful=())
    assert ids(prepared) == ["1-1"]
    prepared.conclude([ok()])
    assert prepared.advanced == {1: Position(1, DAY)}
    assert prepared.failures == {1: FAILURE_GAP, 2: FAILURE_GAP}


def test_a_careful_shard_sends_one_and_that_is_no_failure() -> None:
    prepared = prepare_round([row(1, n, 0) for n in range(1, 6)] + [row(2, 1, 0), row(2, 2, 0)], careful={1})
    assert ids(prepared) == ["1-1", "2-1", "2-2"]
    assert prepared.failures == {}


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 50)), max_size=6),
    st.randoms(use_true_random=False),
    st.sets(st.integers(0, 6)),
)
def test_whatever_fails_a_cursor_covers_acknowledged_events_only(runs, chance, careful) -> None:
    rows = [row(s, start + n, start) for s, (length, start) in enumerate(runs) for n in range(1, length + 1)]
    prepared = prepare_round(rows, careful=careful)
    outcomes = [ok() if chance.random() < 0.7 else Outcome(failure="no") for _ in prepared.messages]
    prepared.conclude(outcomes)
    acknowledged = {name for name, outcome in zip(ids(prepared), outcomes, strict=True) if outcome.failure is None}
    for shard, (_, start) in enumerate(runs):
        reached = prepared.advanced.get(shard, Position(start, DAY)).number
        assert {f"{shard}-{n}" for n in range(start + 1, reached + 1)} <= acknowledged
        assert f"{shard}-{reached + 1}" not in acknowledged
