"""Chapters: a person signs in and books; a second person wants the same room."""

from uuid import uuid4

from yoyaku.embedded.story.stage import Stage, problem_of, trace_id_of

OVERLAP_TEXT = "入力の時間帯はすでに予約済みです。"
TITLE = "Plan the autumn festival"


async def sign_in_and_book(stage: Stage) -> None:
    """Aiko signs in and books Sakura; the same request sent twice books once."""
    aiko, room_id = stage.cast.person("aiko"), stage.cast.room("Sakura")
    stage.narrator.say("Aiko signs in and books Sakura for tomorrow, one hour.")
    stage.answered("Aiko signs in", await stage.sign_in(aiko), 200)
    stage.expect_in_audit("Aiko signed in", "identity.login.succeeded.v1", person_id=aiko.person_id)
    key, starts_at = str(uuid4()), stage.slot(days=1, hour=10)

    answer = await stage.book(aiko, room_id, starts_at, TITLE, key=key)

    stage.answered("Aiko books Sakura", answer, 201)
    booked = stage.cast.reservation = answer.json()
    stage.cast.traces["booking"] = trace_id_of(answer)
    stage.expect_in_audit("Aiko booked Sakura", "booking.reservation.confirmed.v1", reservation_id=booked["id"])
    again = await stage.book(aiko, room_id, starts_at, TITLE, key=key)
    stage.holds(
        "the same request sent again with its Idempotency-Key is the same booking, not a second one",
        again.status_code == 201 and again.json()["id"] == booked["id"],
        again.text,
    )
    read = await stage.get(f"/api/v1/reservations/{booked['id']}", aiko)
    stage.holds("the booking can be read back", read.is_success and read.json()["id"] == booked["id"], read.text)
    stage.narrator.table(
        ("room", "begins (Tokyo)", "ends", "reservation"),
        [("Sakura", f"{starts_at:%Y-%m-%d %H:%M}", f"{stage.slot(days=1, hour=11):%H:%M}", booked["id"])],
    )


async def same_room_again(stage: Stage) -> None:
    """Ben wants the same room at an overlapping time and is told so in Japanese."""
    ben, room_id = stage.cast.person("ben"), stage.cast.room("Sakura")
    stage.narrator.say("Ben wants the same room at the same time.")
    stage.answered("Ben signs in", await stage.sign_in(ben), 200)

    answer = await stage.book(ben, room_id, stage.slot(days=1, hour=10), "Budget")

    stage.answered("Ben is refused with 409", answer, 409)
    problem = problem_of(answer)
    stage.holds(
        f"he reads 「{OVERLAP_TEXT}」",
        OVERLAP_TEXT in (problem.get("title"), problem.get("detail")),
        answer.text,
    )
    stage.holds("the refusal is a problem document with its trace id", bool(problem.get("trace_id")), answer.text)
    other = await stage.book(ben, stage.cast.room("Fuji"), stage.slot(days=1, hour=10), "Budget")
    stage.answered("Fuji is free at that time, and Ben takes it", other, 201)
    stage.expect_in_audit("Ben booked Fuji", "booking.reservation.confirmed.v1", reservation_id=other.json()["id"])
