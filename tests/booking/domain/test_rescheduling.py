"""What a move is judged by (decision 0068)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from yoyaku.booking.domain.closure import Closure
from yoyaku.booking.domain.errors import ReservationEndedError, RoomNotBookableError, RuleBrokenError
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.domain.rescheduling import KEEP, Move, Wanted, move, return_to
from yoyaku.booking.domain.reservation import Cancellation, CancelReason, Reservation, ReservationStatus
from yoyaku.booking.domain.room import Room

NOW = datetime(2030, 1, 1, tzinfo=UTC)
START = NOW + timedelta(days=3)
HOUR = timedelta(hours=1)
ROOM = Room(1, "Fuji", "Tokyo", 8, "UTC", (), 0, 30, active=True, version=1, created_at=NOW)
ONE = Reservation(
    UUID(int=1), 1, UUID(int=2), Interval(START, START + 2 * HOUR), "t", ReservationStatus.CONFIRMED, 1, NOW
)
CLOSED = replace(ROOM, closures=(Closure(UUID(int=3), Interval(START - HOUR, START + 9 * HOUR), "paint"),))
RETIRED = replace(ROOM, active=False)


def moved(room: Room = ROOM, now: datetime = NOW, policy: BookingPolicy | None = None, **wanted: Any) -> Move:
    return move(ONE, Wanted(**wanted), room, now, (policy or BookingPolicy()).judge)


def refused(room: Room = ROOM, now: datetime = NOW, **wanted: Any) -> set[tuple[str, str]]:
    with pytest.raises((RuleBrokenError, RoomNotBookableError)) as caught:
        moved(room, now, **wanted)
    return {(violation.field, violation.code) for violation in caught.value.violations}  # type: ignore[attr-defined]


@pytest.mark.requirement("BK-05")
@pytest.mark.parametrize("room", [ROOM, CLOSED, RETIRED], ids=["open", "closed", "retired"])
def test_another_title_is_not_judged(room: Room) -> None:
    assert moved(room, title=" Weekly\u200b ") == Move(ONE.interval, "Weekly", KEEP)
    assert moved(room, starts_at=START, ends_at=START + 2 * HOUR).hold is KEEP
    assert refused(room, title="\u200b ") == {("title", "blank")}


@pytest.mark.requirement("BK-05")
@pytest.mark.parametrize("room", [ROOM, CLOSED, RETIRED], ids=["open", "closed", "retired"])
def test_time_given_back_is_judged_for_its_form_only(room: Room) -> None:
    less = moved(room, ends_at=START + HOUR)
    assert less.interval == Interval(START, START + HOUR)
    assert less.hold.within
    assert refused(room, ends_at=START + timedelta(minutes=50)) == {("ends_at", "off-grid")}
    assert refused(room, ends_at=START) == {("ends_at", "not-after-start")}


@pytest.mark.requirement("BK-05", "BK-02")
def test_everything_else_is_judged_like_a_new_booking() -> None:
    more = moved(ends_at=START + 3 * HOUR)
    assert (more.hold.within, more.hold.occupied) == (False, Interval(START, START + 3.5 * HOUR))
    assert refused(ends_at=START + 9 * HOUR) == {("ends_at", "longer-than-allowed")}
    assert refused(starts_at=NOW - 30 * HOUR, ends_at=NOW - 29 * HOUR) == {("starts_at", "too-far-back")}
    assert refused(CLOSED, ends_at=START + 3 * HOUR) == {("starts_at", "closed")}
    assert refused(RETIRED, ends_at=START + 3 * HOUR) == {("room_id", "room-retired")}
    with pytest.raises(RoomNotBookableError):
        moved(RETIRED, ends_at=START + 3 * HOUR)
    with pytest.raises(RoomNotBookableError):
        moved(replace(RETIRED, id=2))
    with pytest.raises(RuleBrokenError):
        moved(RETIRED, ends_at=START + 3 * HOUR, title=" ")
    year_one = datetime(1, 1, 1, tzinfo=UTC)
    assert refused(starts_at=year_one) == {("starts_at", "absurd-time")}


@pytest.mark.requirement("BK-05")
def test_what_runs_keeps_its_start_and_room() -> None:
    running = START + timedelta(minutes=70)
    strict = BookingPolicy(back=timedelta(0))
    assert moved(now=running, policy=strict, ends_at=START + 3 * HOUR).interval.ends_at == START + 3 * HOUR
    assert moved(now=running, ends_at=START + 1.5 * HOUR).hold.within
    assert moved(now=running, title="u").title == "u"
    assert refused(now=running, ends_at=START + HOUR) == {("ends_at", "already-past")}
    assert ("starts_at", "already-begun") in refused(now=running, starts_at=START + 1.5 * HOUR)
    assert ("starts_at", "already-begun") in refused(now=running, starts_at=START - HOUR)
    assert refused(replace(ROOM, id=2), now=running) == {("room_id", "already-begun")}
    with pytest.raises(ReservationEndedError):
        moved(now=START + 2 * HOUR, title="u")


@pytest.mark.requirement("BK-07")
def test_what_comes_back_holds_the_buffers_of_today() -> None:
    cancelled = ONE.cancelled(Cancellation(NOW, UUID(int=2), CancelReason.OTHER, None))
    judge = BookingPolicy(back=timedelta(0)).judge
    running = START + HOUR
    assert return_to(cancelled, ROOM, running, judge).occupied == Interval(START, START + 2.5 * HOUR)
    for room in (CLOSED, RETIRED):
        with pytest.raises(RoomNotBookableError):
            return_to(cancelled, room, running, judge)
