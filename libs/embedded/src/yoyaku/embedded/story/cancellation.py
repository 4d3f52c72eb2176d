"""Chapter: a booking is cancelled with a reason, and its time is free again."""

from yoyaku.embedded.story.stage import Stage, described


async def cancel_with_reason(stage: Stage) -> None:
    """Aiko cancels; Ben, who may not cancel for her, then takes the freed hour."""
    aiko, ben = stage.cast.person("aiko"), stage.cast.person("ben")
    reservation_id = str(stage.cast.reservation.get("id"))
    stage.narrator.say("The festival is postponed. Aiko gives her booking back and says why.")
    path = f"/api/v1/reservations/{reservation_id}/cancel"
    reason = {"reason": "postponed", "comment": "The shrine moved the date."}

    by_ben = await stage.post(path, ben, reason)
    stage.holds("Ben cannot cancel for her", by_ben.status_code in (403, 404), described(by_ben))
    by_aiko = await stage.post(path, aiko, reason)
    stage.holds("Aiko cancels with the reason “postponed”", by_aiko.is_success, described(by_aiko))
    stage.expect_in_audit(
        "Aiko cancelled, postponed",
        "booking.reservation.cancelled.v1",
        reservation_id=reservation_id,
        reason="postponed",
    )
    again = await stage.post(path, aiko, reason)
    stage.holds("a second cancellation is refused with 409", again.status_code == 409, described(again))
    freed = await stage.book(ben, stage.cast.room("Sakura"), stage.slot(days=1, hour=10), "Budget, in the large room")
    stage.answered("the hour is free again, and Ben books it", freed, 201)
    stage.expect_in_audit(
        "Ben booked the freed hour", "booking.reservation.confirmed.v1", reservation_id=freed.json()["id"]
    )
