"""Chapter: a calendar of before is imported, all of it or nothing; a calendar program reads it back."""

from datetime import datetime
from pathlib import Path

from yoyaku.embedded.processes import GATEWAY
from yoyaku.embedded.story.facts import ChapterBrokenError
from yoyaku.embedded.story.stage import Stage, described

MEETINGS = (("Tea tasting", 9), ("Choir", 11), ("Reading circle", 15))
_WEEKLY = "RRULE:FREQ=WEEKLY"


async def calendar_moves_in(stage: Stage) -> None:
    """Aiko's old calendar has a repeating event: nothing is imported. Without it, everything is, once."""
    aiko = stage.cast.person("aiko")
    stage.narrator.say(
        "Aiko brings the calendar file that she kept before. The operator types [bold]yoyaku booking import[/bold]."
    )
    file = stage.house.data / "before.ics"
    file.write_bytes(_calendar(stage, weekly=True))
    try:
        told = await _imported(stage, file)
        stage.must_hold("a file with an event that repeats is refused", False, told)
    except ChapterBrokenError as refusal:
        stage.must_hold(
            "a file with an event that repeats is refused, and the line is named",
            "nothing was imported" in str(refusal) and f"{file.name}:{_line_of(file, _WEEKLY)}" in str(refusal),
            refusal,
        )
    day = stage.slot(days=7, hour=0)
    sakura = stage.cast.room("Sakura")
    before = await stage.reservations(sakura, day)
    stage.holds("nothing of it was imported", before == [], before)

    file.write_bytes(_calendar(stage, weekly=False))
    await _imported(stage, file)
    found = await stage.reservations(sakura, day)
    stage.holds(
        f"without it, all {len(MEETINGS)} events are bookings of Aiko",
        [(one["title"], one["person_id"]) for one in found] == [(title, aiko.person_id) for title, _ in MEETINGS],
        found,
    )
    await _imported(stage, file)
    again = await stage.reservations(sakura, day)
    stage.holds("the same file again changes nothing", again == found, again)
    for one in found:
        stage.expect_in_audit(
            f"{one['title']} was imported", "booking.reservation.confirmed.v1", reservation_id=one["id"]
        )
    await _read_back(stage)


async def _read_back(stage: Stage) -> None:
    yoyaku = await stage.client(stage.cast.person("aiko"))
    calendar = await yoyaku.calendars.create_mine()
    stage.must_hold("Aiko gets a secret address for her calendar program", calendar.url is not None, calendar)
    address = calendar.url.get_secret_value() if calendar.url is not None else ""
    http = await stage.http()
    answer = await http.get(address)
    stage.holds(
        "there a calendar program reads her bookings (RFC 5545), without signing in",
        answer.status_code == 200
        and answer.headers["content-type"].startswith("text/calendar")
        and all(f"SUMMARY:{title}" in answer.text for title, _ in MEETINGS),
        described(answer),
    )
    await yoyaku.calendars.revoke(calendar.id)
    gone = await http.get(address)
    stage.holds("revoked, the address is nobody's", gone.status_code == 404, described(gone))


async def _imported(stage: Stage, file: Path) -> str:
    return await stage.house.operate_service(
        GATEWAY, "booking", "import", "--reservations", str(file), "--owner", "aiko"
    )


def _calendar(stage: Stage, *, weekly: bool) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Aiko//Before//EN"]
    for title, hour in MEETINGS:
        starts_at, ends_at = stage.slot(days=7, hour=hour), stage.slot(days=7, hour=hour + 1)
        lines += [
            "BEGIN:VEVENT",
            f"UID:{hour}@before.example",
            f"DTSTAMP:{_stamp(stage.today)}",
            f"DTSTART;TZID=Asia/Tokyo:{_stamp(starts_at)}",
            f"DTEND;TZID=Asia/Tokyo:{_stamp(ends_at)}",
            f"SUMMARY:{title}",
            "LOCATION:Sakura",
            *([_WEEKLY] if weekly and title == "Choir" else []),
            "END:VEVENT",
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"


def _line_of(file: Path, text: str) -> int:
    return file.read_text(encoding="utf-8").splitlines().index(text) + 1
