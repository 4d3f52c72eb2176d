from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.backup_coordinator.adapters.cron import next_fire_of
from yoyaku.backup_coordinator.domain.schedule import ScheduleError, crontab_fields, decide

DAILY = next_fire_of("0 2 * * *")
START = datetime(2026, 4, 1, tzinfo=UTC)


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 4, day, hour, minute, tzinfo=UTC)


@pytest.mark.requirement("BC-01")
def test_nothing_is_due_before_its_time_and_the_next_moment_is_named() -> None:
    decided = decide(at(1, 3), at(2, 1, 59), DAILY)
    assert (decided.due, decided.next_at) == (None, at(2, 2))


@pytest.mark.requirement("BC-01")
def test_a_moment_is_due_when_it_has_come_and_not_again() -> None:
    decided = decide(at(1, 3), at(2, 2), DAILY)
    assert decided.due == at(2, 2)
    assert decide(at(2, 2), at(2, 2), DAILY).due is None


@pytest.mark.requirement("BC-01")
def test_after_downtime_one_run_is_due_for_the_newest_missed_moment() -> None:
    assert decide(at(1, 3), at(20, 12), DAILY).due == at(20, 2)
    assert decide(at(20, 2), at(20, 12), DAILY).due is None


@pytest.mark.requirement("BC-01")
def test_a_clock_that_was_far_ahead_and_came_back_does_not_silence_the_schedule() -> None:
    kept = datetime(2033, 1, 1, 2, tzinfo=UTC)
    assert decide(kept, at(2, 1), DAILY).next_at == at(2, 2)


@pytest.mark.requirement("BC-01")
def test_years_of_missed_minutes_are_decided_at_once() -> None:
    every_minute = next_fire_of("* * * * *")
    calls = 0

    def counted(after: datetime) -> datetime | None:
        nonlocal calls
        calls += 1
        return every_minute(after)

    now = datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert decide(START, now, counted).due == datetime(2030, 1, 1, tzinfo=UTC)
    assert calls < 1000


@given(
    st.integers(0, 3_000_000),
    st.lists(st.integers(0, 400_000), max_size=30),
    st.sampled_from(["0 2 * * *", "*/7 * * * *", "30 4 1 * *", "15 3 * * 0"]),
)
@pytest.mark.requirement("BC-01")
def test_however_it_is_looked_at_no_moment_is_taken_twice_and_the_newest_is_never_missed(
    offset_seconds: int, steps: list[int], expression: str
) -> None:
    next_fire = next_fire_of(expression)
    kept = now = START + timedelta(seconds=offset_seconds)
    taken: list[datetime] = []
    for step in steps:
        now += timedelta(seconds=step)
        decided = decide(kept, now, next_fire)
        if decided.due is not None:
            taken.append(decided.due)
            kept = decided.due
        upcoming = next_fire(kept)
        assert upcoming is not None
        assert upcoming > now
        assert decided.next_at == upcoming
    assert taken == sorted(set(taken))


@pytest.mark.parametrize(
    ("expression", "weekdays"),
    [
        ("0 2 * * 0", {6}),
        ("0 2 * * 7", {6}),
        ("0 2 * * 1-5", {0, 1, 2, 3, 4}),
        ("0 2 * * 0-2", {6, 0, 1}),
        ("0 2 * * 5-7", {4, 5, 6}),
        ("0 2 * * sun,3", {6, 2}),
        ("0 2 * * *", set(range(7))),
    ],
)
def test_weekdays_are_those_of_a_crontab(expression: str, weekdays: set[int]) -> None:
    next_fire = next_fire_of(expression)
    found = set()
    moment = START
    for _ in range(21):
        fire = next_fire(moment)
        assert fire is not None
        found.add(fire.weekday())
        moment = fire
    assert found == weekdays


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "0 2 * *",
        "0 2 * * * *",
        "61 2 * * *",
        "0 25 * * *",
        "0 2 * * 8",
        "0 2 1 * 1",
        "0 2 * * */2",
        "x y z * *",
        "0 2 31 2 *",
    ],
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        next_fire_of(expression)


def test_fields_are_named() -> None:
    assert crontab_fields("*/5 2-4 1,15 * *") == {
        "minute": "*/5",
        "hour": "2-4",
        "day": "1,15",
        "month": "*",
        "day_of_week": "*",
    }
