"""Chapter: rooms and people are made."""

import secrets

from yoyaku.embedded.story.stage import Credentials, Person, Stage

ROOMS = (("Sakura", 8), ("Fuji", 4), ("Kaede", 12), ("Momiji", 14))
PEOPLE = (("aiko", "Aiko"), ("ben", "Ben"), ("chie", "Chie"))


async def rooms_and_people(stage: Stage) -> None:
    """The administrator signs in, makes four rooms and three people."""
    stage.narrator.say(
        "The house is empty. Its first administrator signs in with the password that was generated at the first start, "
        "makes rooms, and lets people in."
    )
    answer = await stage.sign_in(stage.cast.admin)
    stage.answered("the administrator signs in with the generated password", answer, 200)
    await _make_rooms(stage)
    await _make_people(stage)


async def _make_rooms(stage: Stage) -> None:
    rows = []
    for name, capacity in ROOMS:
        wanted = {"name": name, "site": "Tokyo", "capacity": capacity, "time_zone": "Asia/Tokyo"}
        answer = await stage.post("/api/v1/rooms", stage.cast.admin, wanted)
        stage.answered(f"room {name} is made", answer, 201)
        room_id = answer.json()["id"]
        stage.cast.rooms[name] = room_id
        stage.expect_in_audit(f"room {name} was made", "booking.room.created.v1", room_id=room_id)
        rows.append((str(room_id), name, str(capacity), "Tokyo"))
    stage.narrator.table(("id", "room", "seats", "site"), rows, right=(0, 2))


async def _make_people(stage: Stage) -> None:
    for user_id, display_name in PEOPLE:
        person = Person(Credentials(user_id, secrets.token_urlsafe(18)), display_name)
        wanted = {
            "user_id": user_id,
            "display_name": display_name,
            "role": "USER",
            "password": person.credentials.password,
        }
        answer = await stage.post("/api/v1/users", stage.cast.admin, wanted)
        stage.answered(f"{display_name} is let in", answer, 201)
        person.person_id = str(answer.json()["id"])
        stage.cast.people[user_id] = person
        stage.expect_in_audit(f"{display_name} was let in", "identity.person.created.v1", person_id=person.person_id)
