"""The log file: rotation by size and day, compression, deletion by age, several writers, a disk that refuses."""

import gzip
import os
import stat
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from yoyaku.observability.log_file import LogFile


class Line(str):
    """A loguru message as the sink sees it."""

    __slots__ = ("record",)


def line(text: str, at: datetime | None = None) -> Line:
    made = Line(text + "\n")
    made.record = {"time": at or datetime.now(UTC), "extra": SimpleNamespace()}
    return made


def settled(folder: Path) -> list[Path]:
    """Wait for the compression threads, then list the folder."""
    for thread in threading.enumerate():
        if thread.name == "log-compression":
            thread.join(20)
    return sorted(folder.iterdir())


def everything(folder: Path) -> list[str]:
    lines: list[str] = []
    for path in settled(folder):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines += text.decode().split()
    return sorted(lines)


def test_a_file_that_grows_too_large_is_set_aside_and_compressed(tmp_path) -> None:
    file = LogFile(tmp_path / "log.jsonl", rotation_size_bytes=100, retention_days=1)
    for number in range(30):
        file.write(line(f"line-{number:02d}"))
        time.sleep(0.001)  # the rotated name carries the time
    file.close()

    assert everything(tmp_path) == [f"line-{number:02d}" for number in range(30)]
    names = [path.name for path in settled(tmp_path)]
    assert "log.jsonl" in names
    assert sum(name.endswith(".gz") for name in names) == 2 == len(names) - 1


def test_a_new_day_begins_a_new_file_also_after_a_restart(tmp_path) -> None:
    path = tmp_path / "log.jsonl"
    today = datetime.now(UTC)
    file = LogFile(path, rotation_size_bytes=10_000, retention_days=1)
    file.write(line("today", today))
    file.write(line("tomorrow", today + timedelta(days=1)))
    file.close()
    assert path.read_text() == "tomorrow\n"

    yesterday = (today - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    again = LogFile(path, rotation_size_bytes=10_000, retention_days=30)
    again.write(line("later", today))
    again.close()
    assert path.read_text() == "later\n"
    assert everything(tmp_path) == ["later", "today", "tomorrow"]


def test_a_restart_on_the_same_day_continues_the_file(tmp_path) -> None:
    for text in ("one", "two"):
        file = LogFile(tmp_path / "log.jsonl", rotation_size_bytes=10_000, retention_days=1)
        file.write(line(text))
        file.close()
    assert (tmp_path / "log.jsonl").read_text() == "one\ntwo\n"


def test_old_files_are_deleted(tmp_path) -> None:
    old = tmp_path / "log.2020-01-01_00-00-00_000000.jsonl.gz"
    old.write_bytes(gzip.compress(b"old"))
    os.utime(old, (1_577_836_800, 1_577_836_800))
    file = LogFile(tmp_path / "log.jsonl", rotation_size_bytes=10, retention_days=7)
    for text in ("first-line", "second-line"):
        file.write(line(text))
    file.close()
    assert everything(tmp_path) == ["first-line", "second-line"]


def test_two_writers_of_one_file_lose_nothing(tmp_path) -> None:
    first, second = (LogFile(tmp_path / "log.jsonl", rotation_size_bytes=60, retention_days=1) for _ in range(2))
    for number in range(20):
        first.write(line(f"first-{number:02d}"))
        second.write(line(f"second-{number:02d}"))
        time.sleep(0.001)
        settled(tmp_path)
    first.close()
    second.close()
    assert len(everything(tmp_path)) == 40


def test_the_file_is_not_for_everybody(tmp_path) -> None:
    file = LogFile(tmp_path / "log.jsonl", rotation_size_bytes=10, retention_days=1)
    file.write(line("x"))
    file.close()
    assert stat.S_IMODE((tmp_path / "log.jsonl").stat().st_mode) & stat.S_IRWXO == 0


def test_a_disk_that_refuses_is_said_once_and_costs_no_exception(tmp_path, capsys) -> None:
    blocker = tmp_path / "folder"
    blocker.write_text("a file where a folder is needed")
    file = LogFile(blocker / "log.jsonl", rotation_size_bytes=10, retention_days=1)
    for _ in range(3):
        file.write(line("password=x"))
    file.close()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "log file cannot be written" in said[0]


@pytest.mark.parametrize("size", [1, 5])
def test_a_line_longer_than_the_limit_is_written_whole(tmp_path, size) -> None:
    file = LogFile(tmp_path / "log.jsonl", rotation_size_bytes=size, retention_days=1)
    file.write(line("a-long-line"))
    file.close()
    assert (tmp_path / "log.jsonl").read_text() == "a-long-line\n"
