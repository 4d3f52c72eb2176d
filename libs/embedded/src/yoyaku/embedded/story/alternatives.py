"""Chapter: a refusal offers what is free instead."""

from datetime import timedelta

from yoyaku.embedded.story.stage import Stage

OFFERED = 3


async def something_else_is_free(stage: Stage) -> None:
    """Chie wants the hour that the race was for; she takes what the refusal offers."""
    chie, room_id, wanted = stage.cast.person("chie"), stage.cast.room("Kaede"), stage.slot(days=2, hour=14)
    yoyaku = await stage.client(chie)
    stage.narrator.say(
        "Chie still needs Kaede in the afternoon of the race. It is taken, and she is told what is free."
    )
    refusal = await stage.refused(
        "she is refused with 409",
        yoyaku.reservations.place(
            room_id=room_id, starts_at=wanted, ends_at=wanted + timedelta(hours=1), title="Tasting"
        ),
        409,
    )
    offers = refusal.alternatives
    stage.must_hold(
        f"the refusal offers up to {OFFERED} free times, as long as the one she wanted",
        0 < len(offers) <= OFFERED and all(offer.ends_at - offer.starts_at == timedelta(hours=1) for offer in offers),
        offers,
    )
    stage.narrator.table(
        ("offered", "day", "from", "to", "kind"),
        [
            (
                offer.room_name,
                f"{offer.starts_at_local:%Y-%m-%d}",
                f"{offer.starts_at_local:%H:%M}",
                f"{offer.ends_at_local:%H:%M}",
                offer.kind,
            )
            for offer in offers
        ],
    )
    stage.holds(
        "the same room at another time and a like room at that time are among them",
        {offer.kind for offer in offers} == {"same-room", "like-room"},
        offers,
    )
    taken = await yoyaku.reservations.place(
        room_id=offers[0].room_id, starts_at=offers[0].starts_at, ends_at=offers[0].ends_at, title="Tasting"
    )
    stage.holds(f"she takes the first, {offers[0].room_name}, and has it", taken.live, taken)
    stage.expect_in_audit("Chie took what was offered", "booking.reservation.confirmed.v1", reservation_id=taken.id)
