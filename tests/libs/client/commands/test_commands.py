"""The commands for people: what they send, what they print, how they end."""

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

Samples = Callable[[str], dict[str, Any]]


def sent(terminal: Any) -> Any:
    return json.loads(terminal.bench.double.requests[-1].content)


def test_login_keeps_a_session_and_logout_ends_it(terminal: Any) -> None:
    shown = terminal.types("login", "hanako", "--password-file", "-", given=terminal.bench.password + "\n")
    assert (shown.exit_code, shown.stdout) == (0, "Signed in to http://gateway.test as hanako.\n")
    assert terminal.types("rooms").exit_code == 0
    assert terminal.types("logout").exit_code == 0
    assert terminal.bench.double.paths()[-1] == "POST /auth/logout"
    assert terminal.types("rooms").exit_code == 4
    assert terminal.types("logout").exit_code == 0


def test_the_password_may_come_from_a_file_and_is_never_shown(terminal: Any, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{terminal.bench.password}\nmore\n")
    shown = terminal.types("login", "hanako", "--password-file", str(file), "--json")
    assert shown.exit_code == 0
    told = json.loads(shown.stdout)
    assert set(told) == {"url", "user_id", "expires_at"}
    assert terminal.bench.password not in shown.output


def test_login_without_a_terminal_says_how(terminal: Any) -> None:
    shown = terminal.types("login", "hanako")
    assert shown.exit_code == 2
    assert "--password-file" in shown.stderr
    assert terminal.types("login", "hanako", "--password-file", "/nowhere").exit_code == 2
    assert terminal.bench.double.requests == []


def test_a_wrong_password_is_exit_code_4_and_the_gateways_words(terminal: Any) -> None:
    shown = terminal.types("login", "hanako", "--password-file", "-", given="wrong")
    assert shown.exit_code == 4
    assert "sign-in-failed" in shown.stderr


def test_who_is_not_signed_in_is_told_the_command(terminal: Any) -> None:
    shown = terminal.types("my", "--url", "http://elsewhere.test")
    assert shown.exit_code == 4
    assert shown.stderr.rstrip().endswith("yoyaku login --url http://elsewhere.test")


def test_rooms_are_lines_with_tabs_when_piped_and_retired_ones_are_left_out(terminal: Any) -> None:
    terminal.signs_in()
    assert terminal.types("rooms").stdout == "1\tSakura\tTokyo\t8\tprojector\tAsia/Tokyo\n"
    shown = terminal.types("rooms", "--json", "--capacity", "4", "--feature", "a", "--feature", "b", "--site", "Tokyo")
    assert [room["name"] for room in json.loads(shown.stdout)] == ["Sakura"]
    query = terminal.bench.double.requests[-1].url.params
    assert query.get_list("feature") == ["a", "b"]
    assert (query["capacity"], query["site"]) == ("4", "Tokyo")
    assert terminal.types("rooms", "--free-from", "2026-12-01 09:00").exit_code == 2


def test_a_booking_is_sent_by_the_rooms_clock(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    terminal.answers("POST", "/reservations", samples("booked"), 201)
    shown = terminal.types("book", "sakura", "--from", "2036-12-01 09:00", "--for", "1h", "--title", "Weekly")
    assert shown.exit_code == 0, shown.output
    assert sent(terminal) == {
        "room_id": 1,
        "starts_at": "2036-12-01T00:00:00+00:00",
        "ends_at": "2036-12-01T01:00:00+00:00",
        "title": "Weekly",
    }
    assert terminal.bench.double.requests[-1].headers["idempotency-key"]
    assert shown.stdout == (
        "2036-12-01\t09:00-10:00\tSakura\tWeekly\tconfirmed\t0190c7c4-0000-7000-8000-00000000abcd\n"
    )


def test_a_conflict_offers_other_times_with_the_command_that_books_each(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    refusal = terminal.bench.problem(409, "room-already-reserved", alternatives=[samples("offer")])
    terminal.bench.double.canned["POST", "/reservations"] = refusal
    words = ("book", "1", "--from", "2026-12-01 09:00", "--to", "10:30", "--title", "it's ours")
    shown = terminal.types(*words)
    assert shown.exit_code == 3
    assert "room-already-reserved" in shown.stderr
    assert "yoyaku book 1 --from '2026-12-01 11:00' --for 90m --title 'it'\"'\"'s ours'" in shown.stderr
    as_json = terminal.types(*words, "--json")
    assert as_json.exit_code == 3
    assert json.loads(as_json.stdout)["error"]["alternatives"][0]["room_name"] == "Sakura"


def test_broken_rules_are_each_told(terminal: Any) -> None:
    terminal.signs_in()
    errors = [{"field": "ends_at", "code": "longer-than-allowed", "message": "8 hours at most.", "max_hours": 8}]
    terminal.bench.double.canned["POST", "/reservations"] = terminal.bench.problem(422, "invalid", errors=errors)
    shown = terminal.types("book", "1", "--from", "09:00", "--for", "9h")
    assert shown.exit_code == 3
    assert "ends_at: 8 hours at most." in shown.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("book", "sakra", "--from", "09:00", "--for", "1h"),
        ("book", "1", "--from", "09:00"),
        ("book", "1", "--from", "nine", "--for", "1h"),
        ("book", "1", "--from", "09:00", "--for", "1h", "--date", "someday"),
        ("book", "1"),
        ("cancel", "ab"),
        ("move", "abcd"),
        ("rooms", "--url", "gateway"),
        ("availability", "1", "0"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_books_nothing(terminal: Any, words: tuple[str, ...]) -> None:
    terminal.signs_in()
    terminal.answers("GET", "/reservations/my", {"items": []})
    shown = terminal.types(*words)
    assert shown.exit_code == 2, shown.output
    assert {request.method for request in terminal.bench.double.requests} <= {"GET"}


def test_my_shows_what_comes_and_cancel_takes_a_part_of_the_id(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    booked, past = samples("booked"), samples("booked") | {"ends_at": "2020-01-01T00:00:00Z", "id": "ffff"}
    terminal.answers("GET", "/reservations/my", {"items": [past, booked]})
    terminal.answers("POST", f"/reservations/{booked['id']}/cancel", booked | {"status": "cancelled"})
    assert terminal.types("my").stdout.splitlines() == [
        f"2036-12-01\t09:00-10:00\tSakura\tWeekly\tconfirmed\t{booked['id']}"
    ]
    assert len(terminal.types("my", "--all").stdout.splitlines()) == 2
    for part in ("0000abcd", "0190c7c4", booked["id"]):
        terminal.answers("GET", f"/reservations/{booked['id']}", booked)
        shown = terminal.types("cancel", part, "--reason", "postponed", "--comment", "later", "--json")
        assert shown.exit_code == 0, shown.output
        assert sent(terminal) == {"reason": "postponed", "comment": "later"}
        assert json.loads(shown.stdout)["status"] == "cancelled"


def test_a_part_of_two_ids_is_asked_back(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    twice = [samples("booked"), samples("booked") | {"id": "0190c7c4-1"}]
    terminal.answers("GET", "/reservations/my", {"items": twice})
    shown = terminal.types("cancel", "0190c7c4")
    assert shown.exit_code == 2
    assert "several" in shown.stderr


def test_move_keeps_what_is_not_said_and_sends_the_version_it_read(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    booked = samples("booked")
    path = f"/reservations/{booked['id']}"
    terminal.answers("GET", path, booked)
    terminal.answers("PATCH", path, booked | {"version": 6})
    assert terminal.types("move", booked["id"], "--from", "14:00").exit_code == 0
    assert sent(terminal) == {"starts_at": "2036-12-01T05:00:00+00:00", "ends_at": "2036-12-01T06:00:00+00:00"}
    assert terminal.bench.double.requests[-1].headers["if-match"] == '"5"'
    assert terminal.types("move", booked["id"], "--for", "2h").exit_code == 0
    assert sent(terminal) == {"starts_at": "2036-12-01T00:00:00+00:00", "ends_at": "2036-12-01T02:00:00+00:00"}
    assert terminal.types("move", booked["id"], "--title", "Other").exit_code == 0
    assert sent(terminal) == {"title": "Other"}
    assert terminal.types("move", booked["id"], "--date", "2036-12-02", "--room", "sakura").exit_code == 0
    assert sent(terminal)["starts_at"] == "2036-12-02T00:00:00+00:00"
    assert sent(terminal)["room_id"] == 1


def test_a_move_of_what_was_changed_meanwhile_is_told(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    path = f"/reservations/{samples('booked')['id']}"
    terminal.answers("GET", path, samples("booked"))
    terminal.bench.double.canned["PATCH", path] = terminal.bench.problem(412, "precondition-failed")
    shown = terminal.types("move", samples("booked")["id"], "--from", "14:00")
    assert shown.exit_code == 3
    assert "changed by somebody else" in shown.stderr


def test_availability_shows_free_and_busy_in_order(terminal: Any) -> None:
    terminal.signs_in()

    def part(start: int, end: int, **more: str) -> dict[str, str]:
        day = "2026-12-01T"
        return {
            "starts_at": f"{day}{start - 9:02}:00:00Z",
            "ends_at": f"{day}{end - 9:02}:00:00Z",
            "starts_at_local": f"{day}{start:02}:00:00+09:00",
            "ends_at_local": f"{day}{end:02}:00:00+09:00",
            **more,
        }

    days = [
        {"date": "2026-12-01", "free": [part(10, 12)], "busy": [part(12, 18, kind="closure"), part(9, 10, kind="new")]}
    ]
    terminal.answers("GET", "/rooms/1/availability", {"room_id": 1, "time_zone": "Asia/Tokyo", "days": days})
    assert terminal.types("availability", "sakura", "2026-12-01").stdout.splitlines() == [
        "2026-12-01\t09:00-10:00\tnew",
        "2026-12-01\t10:00-12:00\tfree",
        "2026-12-01\t12:00-18:00\tclosure",
    ]
    terminal.types("availability", "sakura", "2026-12-01", "--days", "3")
    assert dict(terminal.bench.double.requests[-1].url.params) == {
        "first_date": "2026-12-01",
        "last_date": "2026-12-03",
    }


@pytest.mark.requirement("BK-10")
def test_a_japanese_locale_speaks_and_asks_for_japanese(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    terminal.signs_in()
    shown = terminal.types("book", "sakra", "--from", "09:00", "--for", "1h")
    assert shown.stderr == "エラー: 会議室「sakra」はありません。もしかして: Sakura\n"
    assert terminal.bench.double.requests[-1].headers["accept-language"].startswith("ja")


@pytest.mark.parametrize(
    ("failure", "words"), [("503:90", "90 s"), ("refused-connection", "cannot be reached"), ("html", "Bad Gateway")]
)
def test_a_gateway_that_is_away_is_exit_code_5(terminal: Any, failure: str, words: str) -> None:
    terminal.signs_in()
    terminal.bench.double.failures = deque([failure] * 20)
    shown = terminal.types("rooms")
    assert shown.exit_code == 5
    assert words in shown.stderr
    terminal.bench.double.failures = deque([failure] * 20)
    as_json = terminal.types("rooms", "--json")
    assert as_json.exit_code == 5
    assert json.loads(as_json.stdout)["error"]["code"]


def test_an_answer_that_got_lost_is_not_called_a_failure(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    terminal.answers("GET", f"/reservations/{samples('booked')['id']}", samples("booked"))
    terminal.bench.double.failures = deque(["none", "cut"])
    shown = terminal.types("cancel", samples("booked")["id"])
    assert shown.exit_code == 5
    assert "may or may not" in shown.stderr


def test_what_others_wrote_cannot_move_the_cursor(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    evil = samples("booked") | {"title": "a\x1b[2Jb\tc\nd\u009b1m"}
    terminal.answers("GET", "/reservations/my", {"items": [evil]})
    (line,) = terminal.types("my").stdout.splitlines()
    assert line.split("\t")[3] == "a[2Jb c d1m"


def test_the_parts_of_an_answer_that_are_new_do_not_break_a_command(terminal: Any, samples: Samples) -> None:
    terminal.signs_in()
    new = samples("booked") | {"status": "tentative", "attendees": [1]}
    terminal.bench.double.canned["GET", "/reservations/my"] = httpx.Response(200, json={"items": [new], "total": 1})
    assert "\ttentative\t" in terminal.types("my", "--all").stdout
