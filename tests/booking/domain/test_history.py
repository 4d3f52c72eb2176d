"""History is made of differences, and they can be undone."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.history import Author, Step, Why, differences, fields_of, recorded, undone
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import Act, Reservation, ReservationStatus

START = datetime(2030, 1, 1, tzinfo=UTC)
ONE = Reservation(
    UUID(int=1), 1, UUID(int=2), Interval(START, START + timedelta(hours=1)), "t", ReservationStatus.CONFIRMED, 1, START
)


@pytest.mark.requirement("BK-07")
def test_a_line_says_who_when_what_why_and_from_where() -> None:
    after = replace(ONE, version=2, title="u", room_id=3)
    line = recorded(ONE, after, Act.RESCHEDULE, Author(UUID(int=9), START, "192.0.2.1"), Why("other", "text"))
    assert (line.version, line.by, line.at, line.client_address) == (2, UUID(int=9), START, "192.0.2.1")
    assert (line.reason, line.comment) == ("other", "text")
    assert line.differences == {"room_id": Step(1, 3), "title": Step("t", "u")}


states = st.builds(
    lambda room_id, start, length, title, status: replace(
        ONE,
        room_id=room_id,
        interval=Interval(START + timedelta(hours=start), START + timedelta(hours=start + length)),
        title=title,
        status=status,
    ),
    st.integers(1, 3),
    st.integers(0, 5),
    st.integers(1, 3),
    st.sampled_from(["a", "b"]),
    st.sampled_from(list(ReservationStatus)),
)


@pytest.mark.requirement("BK-07")
@given(st.lists(states, min_size=1, max_size=10))
def test_undoing_every_difference_gives_back_what_was_placed(lives: list[Reservation]) -> None:
    steps = [differences(before, after) for before, after in itertools.pairwise(lives)]
    fields = fields_of(lives[-1])
    for made in reversed(steps):
        assert all(fields[name] == step.after for name, step in made.items())
        fields = undone(fields, made)
    assert fields == fields_of(lives[0])
    first = {name: step for made in reversed(steps) for name, step in made.items()}
    assert undone(fields_of(lives[-1]), first) == fields_of(lives[0])
