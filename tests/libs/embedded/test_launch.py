"""Covers DL-01: nothing that we start outlives us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from yoyaku.embedded.launch import kill_tree, launch, stop

LAUNCHER = """
import signal, sys, time
from yoyaku.embedded.launch import launch
child = launch([sys.executable, "-c", "import time; time.sleep(600)"], env={}, death_signal=signal.SIGTERM)
print(child.pid, flush=True)
time.sleep(600)
"""


def sleeper(code: str = "import time; time.sleep(600)") -> "subprocess.Popen[bytes]":
    return launch([sys.executable, "-c", code], env={})


@pytest.mark.requirement("DL-01")
def test_a_child_ends_when_its_parent_is_killed_dash_nine():
    parent = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([child], timeout=20)
    assert [one.status() for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_child_leads_a_process_group_of_its_own():
    process = sleeper()
    try:
        assert os.getpgid(process.pid) == process.pid
        assert os.getsid(process.pid) != os.getsid(0)
    finally:
        kill_tree(process)


def test_a_child_sees_the_given_environment_and_no_other(tmp_path: Path):
    out = tmp_path / "out"
    with out.open("wb") as file:
        code = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"
        process = launch([sys.executable, "-c", code], env={"ONLY": "this"}, output=file)
    assert process.wait(20) == 0
    assert out.read_text().strip() == "['ONLY']"


def test_killing_the_tree_reaches_children_that_left_the_group():
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = launch([sys.executable, "-c", code], env={}, output=subprocess.PIPE)
    assert process.stdout is not None
    grandchild = psutil.Process(int(process.stdout.readline()))
    kill_tree(process)
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_child_that_ignores_the_stop_signal_is_killed_after_the_wait():
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = launch([sys.executable, "-c", code], env={}, output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert stop(process, signal.SIGTERM, wait_seconds=0.2) == -signal.SIGKILL
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()


def test_stopping_gives_the_exit_code_of_a_clean_end():
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = launch([sys.executable, "-c", code], env={}, output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert stop(process, signal.SIGTERM, wait_seconds=20) == 0
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()
