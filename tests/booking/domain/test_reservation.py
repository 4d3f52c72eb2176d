import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from yoyaku.booking.domain.errors import (
    ReservationAlreadyCancelledError,
    ReservationEndedError,
    ReservationNotCancelledError,
)
from yoyaku.booking.domain.interval import Interval
from yoyaku.booking.domain.reservation import (
    TRANSITIONS,
    Cancellation,
    CancelReason,
    Reservation,
    ReservationStatus,
)
from yoyaku.contracts.booking_v1 import CancellationReason

START = datetime(2030, 1, 1, 9, tzinfo=UTC)
PAGES = Path(__file__).parents[3] / "docs" / "architecture"


def reservation() -> Reservation:
    interval = Interval(START, START + timedelta(hours=1))
    return Reservation(uuid4(), 1, uuid4(), interval, "t", ReservationStatus.CONFIRMED, 1, START)


def cancellation(at: datetime) -> Cancellation:
    return Cancellation(at, uuid4(), CancelReason.OTHER, None)


@pytest.mark.requirement("BK-06")
def test_cancelled_once() -> None:
    gone = reservation().cancelled(cancellation(START - timedelta(hours=1)))
    assert (gone.status, gone.version) == (ReservationStatus.CANCELLED, 2)
    with pytest.raises(ReservationAlreadyCancelledError) as caught:
        gone.cancelled(cancellation(START))
    assert caught.value.cancelled_at == START - timedelta(hours=1)


@pytest.mark.requirement("BK-06")
def test_what_is_over_stays() -> None:
    running = START + timedelta(minutes=59)
    assert reservation().cancelled(cancellation(running)).status is ReservationStatus.CANCELLED
    with pytest.raises(ReservationEndedError):
        reservation().cancelled(cancellation(START + timedelta(hours=1)))


@pytest.mark.requirement("BK-05", "BK-07")
def test_moved_and_restored_along_the_table() -> None:
    before = START - timedelta(hours=1)
    one = reservation()
    gone = one.cancelled(cancellation(before))
    later = Interval(START + timedelta(hours=2), START + timedelta(hours=3))
    with pytest.raises(ReservationAlreadyCancelledError):
        gone.rescheduled(room_id=1, interval=later, title="t", at=before)
    with pytest.raises(ReservationNotCancelledError):
        one.restored(before)
    back = gone.restored(before)
    assert (back.status, back.version, back.cancellation) == (ReservationStatus.CONFIRMED, 3, None)
    for over in (gone.restored, lambda at: one.rescheduled(room_id=1, interval=later, title="t", at=at)):
        with pytest.raises(ReservationEndedError):
            over(START + timedelta(hours=1))


@pytest.mark.parametrize("page", ["booking.md", "reservations.md"])
def test_the_pages_draw_the_table(page: str) -> None:
    drawn = set(re.findall(r"^\s*(\w+) --> (\w+): (\w+)$", (PAGES / page).read_text(), re.MULTILINE))
    assert drawn == {(before.value, after.value, act.value) for (before, act), after in TRANSITIONS.items()}


def test_reasons_are_the_contracts() -> None:
    assert {reason.value for reason in CancelReason} == {reason.value for reason in CancellationReason}
