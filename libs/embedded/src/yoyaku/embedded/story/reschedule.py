"""Chapter: a booking is moved from two windows; the one that shows an old version changes nothing."""

from datetime import datetime, timedelta

from yoyaku.client.models.reservations import Reservation
from yoyaku.embedded.story.stage import Stage, bearer, described


async def moved_from_two_windows(stage: Stage) -> None:
    """Ben moves his booking; a window that was opened before is refused with 412, and is right after reading again."""
    ben, room_id = stage.cast.person("ben"), stage.cast.room("Fuji")
    yoyaku = await stage.client(ben)
    stage.narrator.say("Ben has the same booking open in two windows, and moves it in both.")
    booked = await yoyaku.reservations.place(
        room_id=room_id, starts_at=stage.slot(days=4, hour=10), ends_at=stage.slot(days=4, hour=11), title="Budget"
    )
    stage.cast.moved = booked.id
    stage.expect_in_audit("Ben booked Fuji again", "booking.reservation.confirmed.v1", reservation_id=booked.id)
    rows = [(booked.etag, _hours(booked.starts_at_local), "booked")]

    moved = await _moved_to(stage, booked.id, booked.etag, 13)
    stage.holds(
        f"the first window moves it: version {booked.etag} becomes {moved.etag}",
        moved.version == booked.version + 1 and moved.starts_at == stage.slot(days=4, hour=13),
        moved,
    )
    rows.append((moved.etag, _hours(moved.starts_at_local), "moved in the first window"))
    stale = await stage.refused(
        f"the second window still shows {booked.etag} and is refused with 412",
        _moved_to(stage, booked.id, booked.etag, 16),
        412,
    )
    rows.append((booked.etag, "16:00-17:00", f"{stale.status} {stale.code}"))
    now = await yoyaku.reservations.get(booked.id)
    stage.holds("nothing was changed by it", now.starts_at == moved.starts_at and now.etag == moved.etag, now)
    right = await _moved_to(stage, now.id, now.etag, 16)
    stage.holds(
        "after reading again the second window moves it too",
        right.version == now.version + 1 and right.starts_at == stage.slot(days=4, hour=16),
        right,
    )
    rows.append((right.etag, _hours(right.starts_at_local), "moved in the second window"))
    stage.narrator.table(("version", "by the room's clock", "what happened"), rows)
    await _without_a_version(stage, booked.id)
    stage.expect_in_audit(
        "Ben moved it",
        "booking.reservation.rescheduled.v1",
        reservation_id=booked.id,
        person_id=ben.person_id,
        room_id=room_id,
    )


async def _without_a_version(stage: Stage, reservation_id: str) -> None:
    http = await stage.http()
    path = f"/api/v1/reservations/{reservation_id}"
    answer = await http.patch(path, json={"title": "Blind"}, headers=bearer(stage.cast.person("ben")))
    stage.holds("a change that names no version is asked for one (428)", answer.status_code == 428, described(answer))


async def _moved_to(stage: Stage, reservation_id: str, etag: str, hour: int) -> Reservation:
    yoyaku, starts_at = await stage.client(stage.cast.person("ben")), stage.slot(days=4, hour=hour)
    ends_at = starts_at + timedelta(hours=1)
    return await yoyaku.reservations.reschedule(reservation_id, etag=etag, starts_at=starts_at, ends_at=ends_at)


def _hours(starts_at: datetime) -> str:
    return f"{starts_at:%H:%M}-{starts_at + timedelta(hours=1):%H:%M}"
