from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.domain.errors import RoomNotBookableError, RuleBrokenError
from yoyaku.booking.domain.policy import BookingPolicy, check_password, check_user_id
from yoyaku.booking.domain.room import Room

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ROOM = Room(1, "Fuji", "Tokyo", 8, "Asia/Tokyo", (), 0, 0, active=True, version=1, created_at=NOW)
COMMON = frozenset({"password", "qwerty", "correcthorsebatterystaple"})


def broken(starts_at: datetime, ends_at: datetime, policy: BookingPolicy = BookingPolicy()) -> list[tuple[str, str]]:  # noqa: B008
    try:
        policy.judge(starts_at, ends_at, ROOM, NOW)
    except RuleBrokenError as error:
        return [(violation.field, violation.code) for violation in error.violations]
    return []


@pytest.mark.requirement("BK-02")
@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_any_two_times_are_judged(starts_at: datetime, ends_at: datetime) -> None:
    found = broken(starts_at, ends_at)
    fits = (
        NOW - timedelta(days=1) <= starts_at < ends_at <= starts_at + timedelta(hours=8)
        and all(at.minute % 30 == at.second == at.microsecond == 0 for at in (starts_at, ends_at))
        and max(starts_at.year, ends_at.year) < 9999
    )
    assert (found == []) == fits


@pytest.mark.requirement("BK-02")
def test_all_broken_rules_are_named_with_the_number_that_would_pass() -> None:
    with pytest.raises(RuleBrokenError) as caught:
        BookingPolicy().judge(NOW - timedelta(days=3, minutes=1), NOW, ROOM, NOW)
    found = {(violation.field, violation.code): violation.facts for violation in caught.value.violations}
    assert found == {
        ("starts_at", "too-far-back"): {"max_hours_back": 24},
        ("starts_at", "off-grid"): {"grid_minutes": 30},
        ("ends_at", "longer-than-allowed"): {"max_hours": 8},
    }


@pytest.mark.requirement("BK-02")
def test_the_window_ends_where_it_is_said_to() -> None:
    policy = BookingPolicy(ahead=timedelta(days=10))
    last = NOW + timedelta(days=10)
    assert broken(last, last + timedelta(hours=1), policy) == []
    late = last + timedelta(minutes=30)
    assert broken(late, late + timedelta(hours=1), policy) == [("starts_at", "too-far-ahead")]


def test_a_retired_room_takes_no_bookings() -> None:
    with pytest.raises(RoomNotBookableError):
        BookingPolicy().judge(NOW, NOW + timedelta(hours=1), replace(ROOM, active=False), NOW)


@pytest.mark.requirement("ID-02")
@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "too-short"),
        ("x" * 129, "too-long"),
        ("password1234", "too-common"),
        ("Qwerty!!2026", "too-common"),
        ("abababababab", "too-common"),
        ("123456789012", "too-common"),
        ("CorrectHorseBatteryStaple", "too-common"),
        ("hanako202611", "too-common"),
        ("blue kettle on the roof", None),
        ("花子のながいあいことばです", None),
    ],
)
def test_passwords(password: str, code: str | None) -> None:
    found = [violation.code for violation in check_password(password, "hanako", COMMON)]
    assert found == ([] if code is None else [code])


@pytest.mark.parametrize("user_id", ["", "-a", "a b", "a" * 65, "日本", "a\n", "a\x00"])
def test_user_ids_that_are_refused(user_id: str) -> None:
    assert [violation.field for violation in check_user_id(user_id)] == ["user_id"]


@pytest.mark.parametrize("user_id", ["a", "hanako.y@example.com", "7up", "a" * 64])
def test_user_ids_that_pass(user_id: str) -> None:
    assert check_user_id(user_id) == []
