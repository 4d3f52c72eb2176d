"""`yoyaku demo` as a newcomer runs it: one process from the outside, on real servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from yoyaku.embedded.story.play import CHAPTERS

YOYAKU = Path(sys.executable).with_name("yoyaku")
DEMO_SECONDS = 150
NOTICES_INTERRUPTS = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Starts a program so that an interrupt reaches it, also where the tests run in the background of a shell."""

pytestmark = [pytest.mark.system, pytest.mark.requirement("DL-01"), pytest.mark.timeout(DEMO_SECONDS + 60)]


def environment(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch)}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def left_running(scratch: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(scratch) in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.requirement("BK-03", "BK-05", "BK-07", "BK-09", "ID-03", "ID-04", "EV-07", "SD-03", "AU-01")
def test_every_fact_of_the_story_holds(scratch: Path) -> None:
    ran = subprocess.run(
        [YOYAKU, "demo", "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        env=environment(scratch),
    )
    told: Mapping[str, Any] = json.loads(ran.stdout)
    failed = [
        (chapter["title"], fact["text"], fact["seen"])
        for chapter in told["chapters"]
        for fact in chapter["facts"]
        if not fact["held"]
    ]
    assert failed == []
    assert told["held"] is True
    assert ran.returncode == 0, ran.stderr
    assert [chapter["title"] for chapter in told["chapters"]] == [chapter.title for chapter in CHAPTERS]
    assert all(chapter["facts"] for chapter in told["chapters"])
    assert left_running(scratch) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user, who may not get in")
def test_a_demo_in_a_closed_folder_leaves_nothing_elsewhere(scratch: Path) -> None:
    closed = scratch / "closed"
    closed.mkdir(mode=0o700)
    with subprocess.Popen(
        [YOYAKU, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(closed)
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "Rooms and people" in line:
                break
        [pointer] = closed.glob("*/postgres.location")
        elsewhere = Path(pointer.read_text().strip())
        assert elsewhere.is_dir()
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=DEMO_SECONDS)
    assert running.returncode == 130
    assert not elsewhere.exists()
    assert list(closed.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing(scratch: Path) -> None:
    with subprocess.Popen(
        [*NOTICES_INTERRUPTS, YOYAKU, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(scratch),
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "Rooms and people" in line:
                break
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=DEMO_SECONDS)
    assert running.returncode == 130
    assert left_running(scratch) == []
    assert list(scratch.iterdir()) == []
