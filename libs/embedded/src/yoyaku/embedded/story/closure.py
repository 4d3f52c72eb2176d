"""Chapter: a room is closed over accepted bookings: refused with the list, then forced."""

from yoyaku.embedded.story.stage import Stage

NOT_BOOKABLE_TEXT = "入力の日付・部屋の組合わせは予約できません。"
REASON = "The floor is polished."


async def room_is_closed(stage: Stage) -> None:
    """The administrator closes Kaede for a day on which it is booked."""
    admin, room_id = await stage.client(stage.cast.admin), stage.cast.room("Kaede")
    day = stage.slot(days=2, hour=0).date()
    inside = [
        one for one in await stage.reservations(room_id, stage.slot(days=2, hour=0)) if one["status"] == "confirmed"
    ]
    stage.narrator.say(f"Kaede's floor is to be polished on {day}. The room is booked on that day.")
    refusal = await stage.refused(
        "closing it is refused with 409",
        admin.rooms.close(room_id, first_date=day, last_date=day, reason=REASON),
        409,
    )
    listed = [one["reservation_id"] for one in refusal.facts.get("reservations", [])]
    stage.holds(
        f"the refusal lists what would be cancelled ({len(inside)})",
        sorted(listed) == sorted(one["id"] for one in inside) and bool(listed),
        refusal.facts,
    )
    closure = await admin.rooms.close(room_id, first_date=day, last_date=day, reason=REASON, force=True)
    stage.holds(
        "forced, it is closed, and says how many made way", closure.cancelled_reservations == len(inside), closure
    )
    given_up = [await admin.reservations.get(one["id"]) for one in inside]
    stage.holds(
        "each booking inside is cancelled with the reason “maintenance”",
        all(one.cancellation is not None and one.cancellation.reason == "maintenance" for one in given_up),
        given_up,
    )
    stage.expect_in_audit("Kaede was closed", "booking.room.closed.v1", room_id=room_id, closure_id=closure.id)
    for one in given_up:
        stage.expect_in_audit(
            "its booking made way", "booking.reservation.cancelled.v1", reservation_id=one.id, reason="maintenance"
        )
    await _nobody_books_it(stage, room_id)


async def _nobody_books_it(stage: Stage, room_id: int) -> None:
    yoyaku = await stage.client(stage.cast.person("chie"))
    day = stage.slot(days=2, hour=0)
    refusal = await stage.refused(
        "Chie does not get it on that day (409)",
        yoyaku.reservations.place(
            room_id=room_id, starts_at=stage.slot(days=2, hour=9), ends_at=stage.slot(days=2, hour=10), title="Late"
        ),
        409,
    )
    stage.holds(
        f"she reads 「{NOT_BOOKABLE_TEXT}」, and that it is closed",
        refusal.detail == NOT_BOOKABLE_TEXT and "closed" in {wrong.code for wrong in refusal.errors},
        (refusal, refusal.detail, refusal.errors),
    )
    shown = await yoyaku.rooms.availability(room_id, day.date())
    stage.holds(
        "its day shows no free time, and the closure",
        not shown.days[0].free and {busy.kind for busy in shown.days[0].busy} == {"closure"},
        shown,
    )
