import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from yoyaku.testkit.waiting import eventually

ROOMS = "name,site,capacity,time_zone,features,buffer_after_minutes\nFuji,Tokyo,8,Asia/Tokyo,projector;phone,30\n"
PEOPLE = "user_id,display_name,role\nsato@example.com,佐藤 一郎,\nken,Ken,OPERATOR\n"
BOOKINGS = """room,user_id,starts_at,ends_at,title,external_id
Fuji,sato@example.com,2019-04-01T09:00+09:00,2019-04-01T10:00+09:00,朝会,old-1
Fuji,sato@example.com,2031-04-01 09:00,2031-04-01 10:00,"Plan, again",
"""
EVENTS = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:e1@example.com
ORGANIZER:mailto:Sato@Example.com
DTSTART;TZID=Tokyo Standard Time:20310402T090000
DURATION:PT1H
SUMMARY:Retro\\, part 2
LOCATION:Fuji
END:VEVENT
BEGIN:VEVENT
UID:e2@example.com
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR
"""
WAITING = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock')"


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    def write(rooms: str = ROOMS, people: str = PEOPLE, bookings: str = BOOKINGS, events: str = EVENTS) -> list[str]:
        given = {"rooms.csv": rooms, "people.csv": people, "reservations.csv": bookings, "events.ics": events}
        options = ["--time-zone", "Asia/Tokyo"]
        for name, text in given.items():
            (tmp_path / name).write_text(text, encoding="utf-8-sig")
            option = {"rooms.csv": "--rooms", "people.csv": "--people"}.get(name, "--reservations")
            options += [option, str(tmp_path / name)]
        return options

    return write


async def stored(service: Any) -> dict[str, int]:
    connection = await asyncpg.connect(**service.database.admin.connect_arguments("tests"))
    try:
        tables = ("room", "person", "reservation", "imported_booking", "outbox_event")
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    finally:
        await connection.close()


@pytest.mark.requirement("BK-02", "BK-03", "EV-03")
async def test_all_or_nothing_and_every_fault_with_its_line(service: Any, files: Callable[..., list[str]]) -> None:
    rehearsed = service.run("import", *files(), "--dry-run", "--json")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert await stored(service) == dict.fromkeys(
        ("room", "person", "reservation", "imported_booking", "outbox_event"), 0
    )
    done = service.run("import", *files())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "3 new" in done.stdout
    after = {"room": 1, "person": 2, "reservation": 3, "imported_booking": 3, "outbox_event": 6}
    assert await stored(service) == after
    again = json.loads(service.run("import", *files(), "--json").stdout)
    assert (again["reservations_created"], again["reservations_known"], again["cancelled_left_out"]) == (0, 3, 1)
    assert (again["rooms_known"], again["people_known"]) == (1, 2)
    assert await stored(service) == after

    bookings = BOOKINGS.replace("Plan", "Other plan").replace("朝会", "another") + (
        "Fuji,sato@example.com,2031-05-01 09:10,2031-05-01 19:00,too long,a\n"
        "Fuji,nobody,2031-05-02 09:00,2031-05-02 10:00,whose,b\n"
        "Fuji,ken,2031-05-03 09:00,2031-05-03 10:00,one,c\n"
        "Fuji,ken,2031-05-03 10:00,2031-05-03 11:00,in its buffer,d\n"
        "Nowhere,ken,2031-05-04 09:00,2031-05-04 10:00,where,e\n"
    )
    events = EVENTS.replace("UID:e1", "RRULE:FREQ=DAILY\nUID:e9")
    refused = service.run("import", *files(bookings=bookings, events=events), "--json")
    assert refused.returncode == 1, refused.stderr
    found = {(Path(f["file"]).name, f["line"], f["code"]) for f in json.loads(refused.stdout)["faults"]}
    assert found == {
        ("reservations.csv", 2, "changed-since-import"),
        ("reservations.csv", 3, "overlaps-stored"),
        ("reservations.csv", 4, "off-grid"),
        ("reservations.csv", 4, "longer-than-allowed"),
        ("reservations.csv", 5, "unknown-person"),
        ("reservations.csv", 7, "overlaps-in-files"),
        ("reservations.csv", 8, "unknown-room"),
        ("events.ics", 4, "repeats"),
    }
    assert await stored(service) == after


@pytest.mark.requirement("BK-03")
async def test_killed_in_the_middle_it_leaves_nothing(service: Any, files: Callable[..., list[str]]) -> None:
    holder = await asyncpg.connect(**service.database.admin.connect_arguments("tests"))
    await holder.execute("BEGIN")
    await holder.execute("SELECT 1 FROM outbox_shard FOR UPDATE")
    process = service.launch("import", *files())

    watcher = await asyncpg.connect(**service.database.admin.connect_arguments("tests"))

    async def waits_for_its_numbers() -> bool:
        assert process.poll() is None, service.log("import")
        return bool(await watcher.fetchval(WAITING, "booking-import"))

    await eventually(waits_for_its_numbers)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    await holder.execute("ROLLBACK")
    await holder.close()
    await watcher.close()
    assert set((await stored(service)).values()) == {0}
    assert service.run("import", *files()).returncode == 0


@pytest.mark.requirement("ID-02", "ID-06")
async def test_no_password_is_imported(service: Any, files: Callable[..., list[str]]) -> None:
    with_password = "user_id,display_name,password\nsato,Sato,hunter2hunter2\n"
    refused = service.run("import", *files(people=with_password))
    assert refused.returncode == 1
    assert "people.csv:1: password: passwords are never imported" in refused.stderr
    assert "hunter2" not in refused.stderr + refused.stdout
    assert "reservations.csv:2: user_id" not in refused.stderr
    assert refused.stderr.splitlines()[-1] == "error: 1 fault; nothing was imported"


def test_what_cannot_be_read(service: Any, tmp_path: Path) -> None:
    missing = service.run("import", "--rooms", str(tmp_path / "none.csv"))
    assert missing.returncode == 2
    assert "none.csv" in missing.stderr
    assert service.run("import").returncode == 2
    (tmp_path / "rooms.csv").write_text(ROOMS)
    zone = service.run("import", "--rooms", str(tmp_path / "rooms.csv"), "--time-zone", "Mars/Base")
    assert (zone.returncode, zone.stderr) == (2, "error: Mars/Base is no IANA time zone, such as Asia/Tokyo\n")


def test_beside_a_running_system_the_database_is_known(
    service: Any, files: Callable[..., list[str]], tmp_path: Path
) -> None:
    database = service.database.service
    password = tmp_path / "booking_service.password"
    password.write_text(database.read_password())
    password.chmod(0o600)
    known = {
        "postgres_host": database.host,
        "postgres_port": database.port,
        "password_files": {"booking_service": str(password)},
    }
    (tmp_path / "connection.json").write_text(json.dumps(known))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKING_")}
    command = [sys.executable, "-m", "yoyaku.booking", "import", *files(), "--dry-run"]
    nowhere = subprocess.run(
        [*command, "--data", str(tmp_path / "none")], env=environment, capture_output=True, text=True, check=False
    )
    assert (nowhere.returncode, "BOOKING_DATABASE__DATABASE: missing" in nowhere.stderr) == (2, True)
    found = subprocess.run(
        [*command, "--data", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert 'database "booking" does not exist' in found.stderr
