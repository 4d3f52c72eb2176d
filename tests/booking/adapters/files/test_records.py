from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yoyaku.booking.adapters.files.moments import MomentError, read_moment
from yoyaku.booking.adapters.files.records import Defaults, read_bookings, read_people, read_rooms
from yoyaku.booking.domain.person import Role

BERLIN = ZoneInfo("Europe/Berlin")
HERE = Defaults(site="Tokyo", zone=ZoneInfo("Asia/Tokyo"))
HEADER = "room,user_id,starts_at,ends_at,title\n"


def faults_of(text: str | bytes, header: str = HEADER) -> list[tuple[int, str, str]]:
    data = text if isinstance(text, bytes) else (header + text).encode()
    _, faults = read_bookings("r.csv", data, HERE)
    return [(fault.line.number, fault.field, fault.code) for fault in faults]


def test_rooms_with_what_may_be_left_out() -> None:
    rooms, faults = read_rooms("rooms.csv", b"NAME;x\n", HERE)
    assert [(f.line.number, f.code) for f in faults] == [
        (1, "column-unknown"),
        (1, "column-missing"),
        (1, "column-missing"),
    ]
    data = '\ufeffCapacity, Name ,features\r\n8,"Fuji, big",phone; Phone;phone\r\n\r\n0,Aso,\r\n'.encode()
    rooms, faults = read_rooms("rooms.csv", data, HERE)
    assert [
        (row.line.number, row.room.name, row.room.features, row.room.site, row.room.time_zone) for row in rooms
    ] == [(2, "Fuji, big", ("Phone", "phone"), "Tokyo", "Asia/Tokyo")]
    assert [(f.line.number, f.field, f.code) for f in faults] == [(4, "capacity", "bad-number")]
    _, faults = read_rooms("rooms.csv", b"name,capacity,site,time_zone\nx,1,y,Mars/Base\nz,1,,\n", Defaults())
    assert [f.code for f in faults] == ["unknown-time-zone", "required", "required"]


@pytest.mark.parametrize("role", ["ADMIN", "admin", "ROOT"])
def test_no_admin_and_no_password_comes_from_a_file(role: str) -> None:
    people, faults = read_people("p.csv", f"user_id,display_name,role\na,A,{role}\nb,B,operator\nc,C,\n".encode())
    assert [fault.code for fault in faults] == ["bad-role"]
    assert [row.role for row in people] == [Role.OPERATOR, Role.USER]
    _, faults = read_people("p.csv", b"user_id,display_name,Password\na,A,x\n")
    assert [fault.code for fault in faults] == ["column-forbidden"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fuji,a,2026-04-01 09:00,2026-04-01T10:00Z,x\n", []),
        ("Fuji,a,2026-04-01,20260401T1000Z,x\n", [(2, "starts_at", "bad-moment"), (2, "ends_at", "bad-moment")]),
        ("Fuji,a,9999-12-31T23:59-14:00,2026-04-01 10:00,x\n", [(2, "starts_at", "bad-moment")]),
        ("Fuji,a,2026-04-01 09:00,2026-04-01 10:00\n", [(2, "row", "wrong-cell-count")]),
        ('Fuji,a,2026-04-01 09:00,2026-04-01 10:00,"two\nlines"\nFuji,,x,,y\n', [
            (2, "title", "hidden-character"), (4, "user_id", "required"), (4, "starts_at", "bad-moment"),
            (4, "ends_at", "required"),
        ]),
        ("Fuji,a,2026-04-01 09:00,2026-04-01 10:00,a\u200bb\n", [(2, "title", "hidden-character")]),
        ("Fuji,a,2026-04-01 09:00,2026-04-01 10:00,\u202egnp.exe\n", [(2, "title", "hidden-character")]),
        ("Fuji,a,2026-04-01 09:00,2026-04-01 10:00,\u3164\n", [(2, "title", "hidden-character")]),
        ("Fuji,a,2026-04-01 09:00,2026-04-01 10:00,👩\u200d👧 sync\n", []),
        (f"Fuji,a,2026-04-01 09:00,2026-04-01 10:00,{'x' * 201}\n", [(2, "title", "too-long")]),
        ('Fuji,a,2026-04-01 09:00,2026-04-01 10:00,"open\n', [(2, "file", "not-csv")]),
        (b"room\n\nFuji\xff\n", [(3, "file", "not-utf8")]),
        (b"", [(1, "file", "no-header")]),
    ],
)  # fmt: skip
def test_each_fault_has_its_line(text: str | bytes, expected: list[tuple[int, str, str]]) -> None:
    assert faults_of(text) == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (HEADER + text).encode("utf-8", "replace")))
def test_no_bytes_raise(data: bytes) -> None:
    read_bookings("r.csv", data, HERE)


@pytest.mark.requirement("BK-02")
def test_clocks_that_change() -> None:
    assert read_moment("2026-07-01 09:00", BERLIN) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert read_moment("2026-10-25 02:30+01:00", BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for text, code in (("2026-03-29 02:30", "no-such-local-time"), ("2026-10-25 02:30", "local-time-twice")):
        with pytest.raises(MomentError, match=code):
            read_moment(text, BERLIN)
    with pytest.raises(MomentError, match="no-time-zone"):
        read_moment("2026-07-01 09:00", None)
