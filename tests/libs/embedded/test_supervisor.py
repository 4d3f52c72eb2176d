import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from yoyaku.embedded.log_lines import LogFiles
from yoyaku.embedded.supervisor import NotReadyError, ProcessSpec, State, SupervisionError, Supervisor

SLEEP = "import time; time.sleep(600)"


class Story:
    """Remembers what the supervisor told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, name, what, facts):
        self.told.append((name, what, dict(facts)))

    def order_of(self, what: str) -> list[str]:
        return [name for name, told, _ in self.told if told == what]


@pytest.fixture
def story():
    return Story()


@pytest.fixture
async def supervisor(tmp_path, story):
    made = Supervisor(output=LogFiles(tmp_path / "logs").output, notice=story, jitter=lambda: 0.0)
    yield made
    made.kill_all()
    await made.stop()


def spec(name: str, code: str = SLEEP, **more: object) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-c", code), env=dict(os.environ), **more)  # type: ignore[arg-type]


def writes(path: Path, then: str = SLEEP) -> str:
    return f"import os; open({str(path)!r}, 'a').write(str(os.getpid()) + chr(10))\n{then}"


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_process_starts_only_after_what_it_depends_on_is_ready(supervisor, tmp_path):
    gate, seen = tmp_path / "gate", tmp_path / "seen"
    first = spec("first", is_ready=gate.exists)
    second = spec("second", writes(seen), depends_on=("first",), is_ready=seen.exists)
    starting = asyncio.create_task(supervisor.start([first, second]))
    await until(lambda: supervisor.processes.get("first") and supervisor.processes["first"].pid)
    assert supervisor.processes["second"].state is State.WAITING
    assert not seen.exists()
    gate.touch()
    await starting
    assert seen.exists()


async def test_a_dependency_that_was_not_declared_before_is_refused(supervisor):
    with pytest.raises(SupervisionError, match="nobody"):
        await supervisor.start([spec("one", depends_on=("nobody",))])


@pytest.mark.requirement("DL-01")
async def test_a_killed_process_is_started_again(supervisor, story):
    await supervisor.start([spec("one")])
    first = supervisor.kill("one")
    await supervisor.wait_ready("one")
    assert supervisor.processes["one"].pid not in (None, first)
    assert supervisor.processes["one"].restarts == 1
    assert ("one", "ended", {"code": -signal.SIGKILL}) in story.told


async def test_the_pause_doubles_while_it_keeps_crashing(supervisor, story):
    starting = asyncio.create_task(supervisor.start([spec("one", "raise SystemExit(3)", is_ready=lambda: False)]))
    await until(lambda: len(story.order_of("starts again")) >= 3)
    starting.cancel()
    pauses = [facts["pause_seconds"] for _, told, facts in story.told if told == "starts again"]
    assert pauses[1] == pytest.approx(2 * pauses[0], abs=0.02)
    assert pauses[2] == pytest.approx(2 * pauses[1], abs=0.02)


async def test_what_is_left_of_a_crashed_group_is_gone_before_it_comes_back(supervisor, tmp_path):
    left = tmp_path / "left"
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {writes(left)!r}])"
    await supervisor.start([spec("one", f"{child}\n{SLEEP}", is_ready=left.exists)])
    await until(lambda: left.read_text().endswith("\n"))
    grandchild = psutil.Process(int(left.read_text().split()[0]))
    process = supervisor.processes["one"].process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: supervisor.processes["one"].restarts == 1)
    await supervisor.wait_ready("one")
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


async def test_stages_are_drained_in_order(supervisor, tmp_path):
    order = tmp_path / "order"
    stops = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    open({path!r}, 'a').write({name!r} + chr(10))\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open({path!r} + '-' + {name!r}, 'w').close()\n"
        "time.sleep(600)\n"
    )
    names = {"database": 4, "worker": 1, "gateway": 0, "consumer": 2}
    specs = [
        spec(
            name,
            stops.format(path=str(order), name=name),
            drain_stage=stage,
            is_ready=Path(f"{order}-{name}").exists,
        )
        for name, stage in names.items()
    ]
    await supervisor.start(specs)
    await supervisor.stop()
    assert order.read_text().split() == ["gateway", "worker", "consumer", "database"]
    assert {one.state for one in supervisor.processes.values()} == {State.STOPPED}


async def test_one_that_does_not_drain_in_time_is_killed(supervisor, story, tmp_path):
    deaf = tmp_path / "deaf"
    code = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{writes(deaf)}"
    await supervisor.start([spec("one", code, is_ready=deaf.exists, drain_seconds=0.2)])
    process = supervisor.processes["one"].process
    await supervisor.stop()
    assert process.returncode == -signal.SIGKILL
    assert story.order_of("did not drain in time and is killed") == ["one"]


async def test_a_process_that_is_never_ready_is_named(supervisor):
    supervisor._ready_timeout_seconds = 0.3
    with pytest.raises(NotReadyError, match="one did not become ready"):
        await supervisor.start([spec("one", is_ready=lambda: False)])


async def test_a_process_that_keeps_ending_before_it_was_ready_is_not_waited_for(supervisor):
    with pytest.raises(NotReadyError, match="it ended 5 times"):
        await supervisor.start([spec("one", "raise SystemExit(1)", is_ready=lambda: False)])


async def test_a_stopped_process_stays_stopped_until_it_is_restarted(supervisor):
    await supervisor.start([spec("one")])
    await supervisor.stop_process("one")
    assert supervisor.processes["one"].pid is None
    assert supervisor.processes["one"].state is State.STOPPED
    await supervisor.restart("one")
    assert supervisor.processes["one"].pid is not None
    assert supervisor.processes["one"].restarts == 0


async def test_a_start_that_fails_is_tried_again(supervisor, story, tmp_path):
    attempts = []

    def prepare() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("the disk is away")

    await supervisor.start([spec("one", prepare=prepare)])
    assert len(attempts) == 2
    assert ("one", "could not be started", {"reason": "the disk is away"}) in story.told
