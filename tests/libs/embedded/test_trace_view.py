import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from yoyaku.embedded.telemetry_client import LogLine, Span, Trace
from yoyaku.embedded.trace_view import TraceView, duration, traces_table

MILLISECOND = 1_000_000


def span(span_id: str, name: str, begin: int, end: int, *, parent: str | None = None, **more: str) -> Span:
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind=more.get("kind", "internal"),
        service=more.get("service", "booking"),
        start_unix_nano=begin * MILLISECOND,
        end_unix_nano=end * MILLISECOND,
        status=more.get("status", "unset"),
        status_message=more.get("message", ""),
    )


def booking_trace() -> Trace:
    spans = (
        span("1", "POST /api/v1/reservations", 0, 40, kind="server"),
        span("2", "INSERT", 4, 9, parent="1", kind="client", status="error", message="room is taken\nmore"),
        span("3", "publish booking.reservation.confirmed.v1", 50, 55, parent="1", kind="producer"),
        span(
            "4", "process booking.reservation.confirmed.v1", 60, 100, parent="3", kind="consumer", service="audit-log"
        ),
        span("5", "orphan", 90, 95, parent="lost", service="audit-log"),
    )
    logs = (LogLine(service="booking", time_unix_nano=1, severity="WARNING", body="refused", span_id="2"),)
    return Trace(
        trace_id="ab" * 16,
        root_name="POST /api/v1/reservations",
        root_service="booking",
        start_unix_nano=0,
        duration_nano=100 * MILLISECOND,
        span_count=len(spans),
        error_count=1,
        services=("audit-log", "booking"),
        spans=spans,
        logs=logs,
    )


def drawn(trace: Trace, *, width: int = 100, encoding: str = "utf-8", colours: bool = False) -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors="replace") as file:
        Console(file=file, width=width, force_terminal=colours, color_system="standard" if colours else None).print(
            TraceView(trace)
        )
        file.flush()
        return raw.getvalue().decode(encoding)


def test_rows_show_name_service_offset_duration_and_bar() -> None:
    lines = drawn(booking_trace()).splitlines()
    publish = next(line for line in lines if "publish" in line)
    assert publish.startswith("╰─ ↗ publish booking.reservation.confirmed.v1")
    assert publish.split()[4:9] == ["booking", "+50.0", "ms", "5.0", "ms"]
    process = next(line for line in lines if "process" in line)
    assert process.startswith("   ╰─ ↘ process")
    assert "audit-log" in process
    assert process.rstrip().endswith("█")


def test_errors_logs_and_orphans_are_shown() -> None:
    lines = drawn(booking_trace()).splitlines()
    at = next(number for number, line in enumerate(lines) if "INSERT" in line)
    assert lines[at + 1].strip(" │") == "room is taken"
    assert "warning refused" in lines[at + 2]
    orphan = next(number for number, line in enumerate(lines) if "orphan" in line)
    assert "parent lost was not received" in lines[orphan - 1]
    assert "1 error" in lines[1]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_console(width: int) -> None:
    assert max(cell_len(line) for line in drawn(booking_trace(), width=width).splitlines()) <= width


def test_bars_are_in_proportion() -> None:
    lines = drawn(booking_trace(), width=160).splitlines()
    bars = {name: next(line for line in lines if name in line).count("█") for name in ("POST", "process", "orphan")}
    del bars["POST"]
    assert bars["process"] > 5 * bars["orphan"] > 0


def test_a_terminal_without_unicode_gets_ascii_branches() -> None:
    text = drawn(booking_trace(), encoding="ascii")
    assert "`- ^ publish" in text
    assert "█" not in text


def test_colours_only_for_a_terminal() -> None:
    assert "\x1b[" not in drawn(booking_trace())
    coloured = drawn(booking_trace(), colours=True)
    assert "\x1b[1;31mINSERT" in coloured


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 µs"), (999_000, "999 µs"), (1_500_000, "1.5 ms"), (123_400_000, "123 ms"), (2_340_000_000, "2.34 s")],
)
def test_durations_have_their_unit(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_the_list_names_each_trace() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100)
    long_name = booking_trace().model_copy(update={"root_name": "POST /api/v1/reservations " + "x" * 80})
    console.print(traces_table([long_name], console))
    assert "ab" * 16 in file.getvalue()
    assert file.getvalue().splitlines()[0].split() == [
        "began",
        "(UTC)",
        "trace",
        "begins",
        "with",
        "took",
        "spans",
        "services",
    ]
    assert "POST /api/v1/reservations" in file.getvalue()


def test_calls_at_the_ends_can_be_left_out_but_errors_stay() -> None:
    calls = (
        span("1", "POST", 0, 40, kind="server"),
        span("2", "SELECT", 1, 2, parent="1", kind="client"),
        span("3", "UPDATE", 2, 3, parent="1", kind="client", status="error"),
        span("4", "transaction", 3, 9, parent="1", kind="client"),
        span("5", "publish", 4, 5, parent="4", kind="producer"),
    )
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(TraceView(booking_trace().model_copy(update={"spans": calls}), hidden_kinds=frozenset({"client"})))
    text = console.export_text()
    assert "SELECT" not in text
    assert "1 call at the ends not drawn" in text
    assert all(name in text for name in ("UPDATE", "transaction", "publish"))


@pytest.mark.parametrize(("width", "digits"), [(60, 10), (80, 10), (120, 32)])
def test_the_list_fits_a_terminal_and_its_ids_are_enough_to_ask_with(width: int, digits: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(traces_table([booking_trace()], console))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    row = next(line for line in lines if "abab" in line)
    assert f" {('ab' * 16)[:digits]} " in row
    assert booking_trace().root_name[:10] in row
