import asyncio
import io
import json
import os

from rich.console import Console

from yoyaku.embedded.log_lines import LONGEST_LINE_BYTES, LogFiles, LogPump, readable
from yoyaku.embedded.server_lines import ServerFiles

RECORD = {
    "time": "2026-04-01T09:00:00+00:00",
    "level": "WARNING",
    "message": "room created",
    "service": "booking",
    "trace_id": "0123456789abcdef0123456789abcdef",
    "room_id": 7,
}


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


async def pumped(to: Console, data: bytes) -> LogPump:
    pump = LogPump(to)
    descriptor = pump.output("booking")
    await asyncio.to_thread(_write_all, descriptor, data)
    await pump.drain(20)
    return pump


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


async def test_piped_lines_stay_as_they_are_with_the_process_in_front():
    to = console(terminal=False)
    await pumped(to, (json.dumps(RECORD) + "\nplain\n").encode())
    first, second = written(to).splitlines()
    assert json.loads(first.partition(" | ")[2]) == RECORD
    assert first.startswith("booking ")
    assert second.endswith(" | plain")


async def test_on_a_terminal_a_json_line_is_readable():
    to = console(terminal=True)
    await pumped(to, json.dumps(RECORD).encode() + b"\n")
    shown = written(to)
    assert "WARNING room created" in shown
    assert "room_id=7" in shown
    assert "trace_id=01234567" in shown
    assert "{" not in shown


async def test_a_line_without_an_end_is_cut_instead_of_growing():
    to = console(terminal=False)
    await pumped(to, b"x" * (3 * LONGEST_LINE_BYTES))
    lines = written(to).splitlines()
    assert sum(line.count("x") for line in lines) == 3 * LONGEST_LINE_BYTES
    assert max(map(len, lines)) < 3 * LONGEST_LINE_BYTES


async def test_what_is_not_utf8_is_shown_all_the_same():
    to = console(terminal=False)
    await pumped(to, b"caf\xe9\n")
    assert "caf\N{REPLACEMENT CHARACTER}" in written(to)


async def test_a_quiet_pump_keeps_the_last_lines():
    to = console(terminal=False)
    pump = LogPump(to, quiet=True)
    pump.show("nats", "started")
    assert written(to) == ""
    assert pump.last_lines("nats") == ["started"]


async def test_processes_are_read_on_when_nobody_reads_us():
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    pump = await pumped(Console(file=Closed(), force_terminal=False), b"one\ntwo\n")
    assert pump.last_lines("booking") == ["one", "two"]


def test_markup_in_a_line_is_text():
    assert readable("[bold]x[/bold]").plain == "[bold]x[/bold]"
    assert readable(json.dumps({"message": "[red]m[/red]"})).plain.endswith("[red]m[/red]")


def test_a_json_line_without_a_message_is_left_alone():
    assert readable('{"a": 1}').plain == '{"a": 1}'


def test_a_file_takes_the_output_of_each_process(tmp_path):
    files = LogFiles(tmp_path / "logs")
    _write_all(files.output("nats"), b"one\n")
    _write_all(files.output("nats"), b"two\n")
    assert files.last_lines("nats") == ["one", "two"]
    assert files.last_lines("other") == []


async def test_a_person_sees_trouble_of_the_servers_and_the_file_has_everything(tmp_path):
    to = console(terminal=True)
    pump = LogPump(to, server_files=ServerFiles(tmp_path / "logs"))
    lines = b"[7] 2026/04/01 09:00:00.1 [INF] Server is ready\n[7] 2026/04/01 09:00:00.2 [WRN] slow consumer\n"
    await asyncio.to_thread(_write_all, pump.output("nats"), lines)
    await pump.drain(20)
    assert "slow consumer" in written(to)
    assert "ready" not in written(to)
    assert (tmp_path / "logs" / "nats.log").read_bytes() == lines
    assert len(pump.last_lines("nats")) == 2
    assert pump.hides_lines_of("nats")
    assert not pump.hides_lines_of("booking-gateway")


async def test_piped_every_line_of_the_servers_is_there(tmp_path):
    to = console(terminal=False)
    pump = LogPump(to, server_files=ServerFiles(tmp_path / "logs"))
    await asyncio.to_thread(_write_all, pump.output("nats"), b"[7] 2026/04/01 09:00:00.1 [INF] Server is ready\n")
    await pump.drain(20)
    assert "Server is ready" in written(to)
    assert not pump.hides_lines_of("nats")
