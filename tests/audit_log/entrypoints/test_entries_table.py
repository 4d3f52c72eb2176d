import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.table import Table

from yoyaku.audit_log.entrypoints.entries_table import short_table, whole_table
from yoyaku.contracts.rpc import AuditEntry

RESERVATION = "01a20a86-e9f3-74af-a182-01c033f7f475"
PERSON = "01a20a86-e9f3-74af-a182-01c033f7f476"


def entry(position: int, event_type: str | None, subject: str | None) -> AuditEntry:
    return AuditEntry(
        position=position,
        event_id=RESERVATION,
        source="/booking/07",
        number=3,
        type=event_type,
        occurred_at=None,
        recorded_at=datetime(2026, 4, 1, 9, 30, 5, 123456, tzinfo=UTC),
        actor=f"person/{PERSON}",
        subject=subject,
        correlation_id=None,
        causation_id=None,
        client_address="127.0.0.2",
        body=None,
    )


ENTRIES = (
    entry(1204, "booking.reservation.confirmed.v1", f"reservation/{RESERVATION}"),
    entry(1205, "booking.reservation.cancelled.v1", f"reservation/{RESERVATION}"),
    entry(1206, "booking.room.created.v1", "room/7"),
    entry(1207, None, None),
    entry(1208, "identity.login.failed.v1", "[red]" + "x" * 300),
)


def drawn(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_an_entry_is_one_line_on_a_terminal(width: int) -> None:
    lines = drawn(short_table(ENTRIES, width), width)
    assert [line.split()[0] for line in lines[1:]] == ["1204", "1205", "1206", "1207", "1208"]
    assert all(len(line) <= width for line in lines)
    assert "09:30:05" in lines[1]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, ["booking.reservation.confirmed", "01a20a86…", "person/01a20a86…", "127.0.0.2"]),
        (100, ["09:30:05", "booking.reservation.confirmed", "reservation/01a20a86…", "person/01a20a86…", "127.0.0.2"]),
    ],
)
def test_types_and_first_digits_of_ids_are_whole(width: int, columns: list[str]) -> None:
    lines = drawn(short_table(ENTRIES[:3], width), width)
    assert lines[1].split()[2:] == columns
    assert "booking.reservation.cancelled" in lines[2]
    assert "room/7" in lines[3]


def test_piped_nothing_is_left_out() -> None:
    lines = drawn(whole_table(ENTRIES), 600)
    assert f"reservation/{RESERVATION}" in lines[1]
    assert "booking.reservation.confirmed.v1" in lines[1]
    assert f"person/{PERSON}" in lines[1]
    assert "2026-04-01 09:30:05.123" in lines[1]
    assert "/booking/07#3" in lines[1]
    assert "unreadable" in lines[4]
    assert "[red]" in lines[5]
