"""Chapter: who changed what, when and why; a cancelled booking comes back."""

from yoyaku.client.models.reservations import HistoryEntry
from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import TOKYO, Stage

MISTAKE = "Cancelled the wrong one."


async def what_became_of_it(stage: Stage) -> None:
    """The administrator cancels Ben's booking by mistake, brings it back, and reads its whole history."""
    if not stage.cast.moved:
        raise ChapterBrokenError("no booking was moved")
    ben, admin = stage.cast.person("ben"), await stage.client(stage.cast.admin)
    reservation_id = stage.cast.moved
    stage.narrator.say("The administrator cancels Ben's booking by mistake, and brings it back.")
    cancelled = await admin.reservations.cancel(reservation_id, reason="maintenance", comment="Painters.")
    stage.holds("it is cancelled, with the reason", cancelled.status == "cancelled", cancelled)
    restored = await admin.reservations.restore(reservation_id, comment=MISTAKE)
    stage.holds("its time was still free: it is back, as it was", restored.live, restored)
    stage.expect_in_audit("Ben's booking came back", "booking.reservation.restored.v1", reservation_id=reservation_id)
    history = await admin.reservations.history(reservation_id)
    names = {ben.person_id: "Ben"}
    stage.narrator.table(
        ("version", "when", "who", "what", "changed", "why"),
        [
            (str(e.version), f"{e.at.astimezone(TOKYO):%H:%M:%S}", names.get(e.by or "", "administrator"), *_told(e))
            for e in history
        ],
        right=(0,),
    )
    stage.holds(
        "its history names each step: placed, moved twice, cancelled, restored",
        [entry.action for entry in history] == ["place", "reschedule", "reschedule", "cancel", "restore"],
        history,
    )
    stage.holds(
        "who, why and from where stand beside each",
        history[-1].comment == MISTAKE
        and history[-1].by != ben.person_id
        and history[0].by == ben.person_id
        and all(entry.client_address == "127.0.0.1" for entry in history),
        history,
    )
    yoyaku = await stage.client(ben)
    await stage.refused("Ben himself may not read it (403)", yoyaku.reservations.history(reservation_id), 403)


def _told(entry: HistoryEntry) -> tuple[str, str, str]:
    why = ": ".join(part for part in (entry.reason, entry.comment) if part)
    changed = "" if entry.action == "place" else ", ".join(entry.changes)
    return entry.action, changed, why
