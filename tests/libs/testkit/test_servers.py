import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from yoyaku.testkit import servers
from yoyaku.testkit.servers import chosen_backend, make_scratch_folder

USES_BOTH = """
import time

def test_hangs(postgres_server, nats_server):
    print("PIDS", postgres_server.pid, nats_server.pid, flush=True)
    time.sleep(600)
"""


def test_wheels_unless_containers_are_asked_for():
    assert chosen_backend({}) == "embedded"
    assert chosen_backend({"TEST_BACKEND": "containers"}) == "containers"
    with pytest.raises(ValueError, match="podman"):
        chosen_backend({"TEST_BACKEND": "podman"})


def test_the_folder_of_a_killed_run_is_deleted_by_the_next_and_a_living_ones_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(servers.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(servers.tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "yoyaku-tests-999999999-x"
    living = tmp_path / f"yoyaku-tests-{os.getpid()}-x"
    for folder in (dead, living):
        folder.mkdir()
    made = make_scratch_folder()
    assert made.parent == tmp_path
    assert not dead.exists()
    assert living.exists()


@pytest.mark.postgres
@pytest.mark.nats
@pytest.mark.requirement("DL-01")
def test_a_run_that_is_killed_dash_nine_leaves_no_server(tmp_path):
    file = tmp_path / "test_hangs.py"
    file.write_text(USES_BOTH)
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", str(file)]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "TEST_BACKEND": "embedded"}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
    assert run.stdout is not None
    told: list[str] = []
    while not told:
        line = run.stdout.readline()
        assert line, "the run ended before its servers were there"
        told = line.partition("PIDS ")[2].split()
    found = [psutil.Process(int(pid)) for pid in told]
    assert [process.name() for process in found] == ["postgres", "nats-server"]
    run.kill()
    run.wait()
    run.stdout.close()
    psutil.wait_procs(found, timeout=60)
    assert [one for one in found if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
