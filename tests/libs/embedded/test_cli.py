"""`yoyaku up` and `yoyaku status` as a person or a program meets them; the servers are real, the services left out."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from yoyaku.cli.invocation import as_typed
from yoyaku.cli.main import app
from yoyaku.embedded.data_lock import DataLock, holder_of
from yoyaku.embedded.ports import choose_port
from yoyaku.testkit.servers import make_scratch_folder

pytestmark = [pytest.mark.postgres, pytest.mark.nats, pytest.mark.requirement("DL-01")]

UP = """
import asyncio, os, sys
from pathlib import Path
from yoyaku.embedded.cli import _up

from yoyaku.embedded.system import SystemOptions
environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
options = SystemOptions(
    Path(sys.argv[1]), gateway_port=int(sys.argv[2]), services=(), fsync=False, environment=environment
)
asyncio.run(_up(options, as_json_line=sys.argv[3] == "json", quiet=False))
"""


@pytest.fixture
def folder():
    made = make_scratch_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def up(folder):
    """Starts `up` in a process of its own; whatever is left of it is ended after the test."""
    started: list[subprocess.Popen[str]] = []
    families: list[psutil.Process] = []

    def start(port: int = 0, form: str = "json") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", UP, str(folder / "data"), str(port), form],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            families += psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.communicate()
    psutil.wait_procs(families, timeout=30)


def ready(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    told: dict[str, object] = json.loads(line)
    return told


def ended(process: "subprocess.Popen[str]", number: int) -> str:
    """Send the signal; what it wrote on standard error until it ended well, with nothing of it left."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == ""
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return err


def test_one_json_line_says_how_to_reach_it_status_shows_it_and_ctrl_c_drains_it(up, folder):
    port = choose_port()
    process = up(port)
    told = ready(process)
    assert told["gateway_url"] == f"http://127.0.0.1:{port}"
    assert str(told["nats_url"]).startswith("nats://127.0.0.1:")
    assert told["postgres_port"]
    assert told["admin"] is None
    for private in ("secrets", "logs", "backups", "nats", "postgres"):
        assert stat.S_IMODE((folder / "data" / private).stat().st_mode) == 0o700, private
    _status_shows_each_process_and_its_lag(folder / "data")
    lines = [line.partition(" | ") for line in ended(process, signal.SIGINT).splitlines()]
    assert {"postgres", "nats", "telemetry-store"} <= {name.strip() for name, separator, _ in lines if separator}
    assert holder_of(folder / "data") is None
    for server, word in (("postgres", "database system is ready"), ("nats", "Server is ready")):
        file = folder / "data" / "logs" / f"{server}.log"
        assert word in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _status_shows_each_process_and_its_lag(data: Path) -> None:
    shown = CliRunner().invoke(app, ["status", "--data", str(data), "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    servers = ["postgres", "nats", "telemetry-store"]
    assert {one["name"]: one["health"] for one in told["processes"]} == dict.fromkeys(servers, "pass")
    assert all(one["memory_mib"] > 0 and one["restarts"] == 0 for one in told["processes"])
    assert told["outboxes"] == {"booking": 0, "audit-log": 0, "security-detector": 0, "backup-coordinator": 0}
    assert told["consumers"]["audit-log_booking"] == 0
    people = CliRunner().invoke(app, ["status", "--data", str(data)])
    assert "postgres" in people.stdout
    assert "outbox of audit-log" in people.stdout


def test_people_are_told_where_it_is_and_what_to_do_next_and_sigterm_drains_it(up):
    process = up(form="people")
    assert process.stdout is not None
    shown = ""
    while "╯" not in shown:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        shown += line
    for wanted in ("http://127.0.0.1:", "/docs", f"{as_typed()} status", "Ctrl-C"):
        assert wanted in shown
    ended(process, signal.SIGTERM)


def test_a_signal_before_it_is_ready_stops_it_too(up):
    process = up()
    assert process.stderr is not None
    assert process.stderr.readline()
    ended(process, signal.SIGINT)


def test_a_second_signal_ends_it_at_once(up):
    process = up()
    ready(process)
    stuck = next(one for one in psutil.Process(process.pid).children() if one.name() == "nats-server")
    family = psutil.Process(process.pid).children(recursive=True)
    stuck.suspend()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "draining" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    psutil.wait_procs(family, timeout=30)
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_status_without_a_running_system_says_so(folder):
    shown = CliRunner().invoke(app, ["status", "--data", str(folder / "nothing")])
    assert shown.exit_code == 1
    assert "no system runs" in shown.stderr
    assert not (folder / "nothing").exists()


def test_a_second_start_on_the_same_data_says_who_holds_it(folder):
    with DataLock(folder).take(8123):
        shown = CliRunner().invoke(app, ["up", "--data", str(folder), "--json"])
    assert shown.exit_code == 1
    assert f"process {os.getpid()}" in shown.stderr
    assert "8123" in shown.stderr
    assert shown.stdout == ""


def test_a_port_in_use_is_refused_with_its_holder(folder, nats_server):
    port = int(nats_server.url.rpartition(":")[2])
    shown = CliRunner().invoke(app, ["up", "--data", str(folder / "data"), "--port", str(port)])
    assert shown.exit_code == 1
    assert str(port) in shown.stderr
    assert "nats-server" in shown.stderr
    assert shown.stderr.startswith("error: port ")
    assert not (folder / "data").exists()
