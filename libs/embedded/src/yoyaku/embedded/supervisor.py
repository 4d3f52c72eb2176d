"""Keeps a set of processes running: starts them in dependency order, restarts what crashes, drains them in order.

Invariants: a process starts only after everything it depends on was ready once; a crashed one comes back after a
pause that doubles with jitter and falls back to the shortest after a stable while; what is left of a crashed
process's group is killed before it comes back; draining ends, because each stage has a bounded time.
"""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import httpx

from yoyaku.embedded.launch import Account, kill_group, kill_tree, launch

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
STABLE_SECONDS = 30.0
PROBE_SECONDS = 0.05
PROBE_TIMEOUT_SECONDS = 2.0
READY_TIMEOUT_SECONDS = 60.0
HOPELESS_AFTER_STARTS = 5
"""A process that was never ready and ended this often is waited for no longer, though it is still started again."""


class SupervisionError(Exception):
    """The processes could not be brought up."""


class NotReadyError(SupervisionError):
    """A process did not become ready."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} did not become ready: {reason}")
        self.name = name


class State(StrEnum):
    """What a supervised process is doing."""

    WAITING = "waiting"
    """For what it depends on, or for the pause before its next start."""
    STARTING = "starting"
    """It runs and has not been ready since."""
    READY = "ready"
    """It was ready after its last start."""
    STOPPED = "stopped"
    """It was told to stop."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process as data. `env` is its whole environment; without `ready_url` and `is_ready` it is ready at once.

    `prepare` runs before each start, off the event loop. `drain_stage`: lower stages are stopped first.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    depends_on: tuple[str, ...] = ()
    ready_url: str | None = None
    is_ready: Callable[[], bool] | None = None
    prepare: Callable[[], object] | None = None
    started: Callable[["subprocess.Popen[bytes]"], object] | None = None
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    drain_stage: int = 0
    drain_seconds: float = 20.0


@dataclass(slots=True)
class Supervised:
    """One process and what became of it so far."""

    spec: ProcessSpec
    process: "subprocess.Popen[bytes] | None" = None
    state: State = State.WAITING
    restarts: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    started_at: datetime | None = None
    started_monotonic: float = 0.0
    stopping: bool = False
    was_ready: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    hopeless: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: "asyncio.Task[None] | None" = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None


Output = Callable[[str], int]
"""Gives the descriptor that takes a process's output; the supervisor closes it once the process has it."""
Notice = Callable[[str, str, Mapping[str, object]], None]
"""Is told (process, what happened, facts)."""


def _unnoticed(name: str, what: str, facts: Mapping[str, object]) -> None:
    """Keep silent."""


class Supervisor:
    """Runs processes for as long as it is not told to stop. Belongs to one event loop, on a thread that stays."""

    def __init__(
        self,
        *,
        output: Output,
        notice: Notice = _unnoticed,
        changed: Callable[[], None] = lambda: None,
        ready_timeout_seconds: float = READY_TIMEOUT_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._output = output
        self._notice = notice
        self._changed = changed
        self._ready_timeout_seconds = ready_timeout_seconds
        self._jitter = jitter
        self._processes: dict[str, Supervised] = {}
        self._client = httpx.AsyncClient(trust_env=False, timeout=PROBE_TIMEOUT_SECONDS)

    @property
    def processes(self) -> Mapping[str, Supervised]:
        """The supervised processes by name, in the order they were started."""
        return self._processes

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start processes; return when all are ready. Raises NotReadyError, SupervisionError for a bad dependency."""
        for spec in specs:
            missing = [name for name in spec.depends_on if name not in self._processes]
            if missing:
                raise SupervisionError(f"{spec.name} depends on {missing[0]}, which was not started before it")
            self._processes[spec.name] = Supervised(spec)
        for spec in specs:
            one = self._processes[spec.name]
            one.keeper = asyncio.create_task(self._keep(one), name=f"keep {spec.name}")
        waiting = [asyncio.create_task(self.wait_ready(spec.name)) for spec in specs]
        try:
            await asyncio.gather(*waiting)
        finally:
            for task in waiting:
                task.cancel()

    async def wait_ready(self, name: str, timeout_seconds: float | None = None) -> None:
        """Return when the process is ready. Raises NotReadyError when that takes too long or is hopeless."""
        one = self._processes[name]
        limit = timeout_seconds or self._ready_timeout_seconds
        waits = {asyncio.create_task(one.ready.wait()), asyncio.create_task(one.hopeless.wait())}
        try:
            done, _ = await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if one.ready.is_set():
            return
        reason = f"it ended {one.restarts} times" if done else f"{limit:.0f} s passed, it is {one.state}"
        raise NotReadyError(name, reason)

    def kill(self, name: str) -> int:
        """End a process and its children with SIGKILL; it is then started again. Returns the pid that was killed."""
        one = self._processes[name]
        if one.process is None or one.pid is None:
            raise SupervisionError(f"{name} does not run")
        one.ready.clear()
        killed = one.process.pid
        os.kill(killed, signal.SIGKILL)
        kill_group(killed)
        return killed

    async def restart(self, name: str) -> None:
        """Stop a process cleanly, start it again and wait until it is ready."""
        one = self._processes[name]
        await self._stop_one(one)
        one.stopping = False
        one.ready.clear()
        one.keeper = asyncio.create_task(self._keep(one), name=f"keep {name}")
        await self.wait_ready(name)

    async def stop_process(self, name: str) -> None:
        """Stop one process cleanly and leave it stopped until `restart`."""
        await self._stop_one(self._processes[name])

    async def stop(self) -> None:
        """Drain everything, stage by stage, each within its own bounded time."""
        for stage in sorted({one.spec.drain_stage for one in self._processes.values()}):
            members = [one for one in self._processes.values() if one.spec.drain_stage == stage]
            await asyncio.gather(*(self._stop_one(one) for one in members))
        await self._client.aclose()

    def kill_all(self) -> None:
        """End everything at once, without draining."""
        for one in self._processes.values():
            one.stopping = True
            if one.process is not None:
                kill_tree(one.process)

    async def _keep(self, one: Supervised) -> None:
        for name in one.spec.depends_on:
            await self._processes[name].ready.wait()
        while True:
            try:
                await self._run_once(one)
            except Exception as error:  # noqa: BLE001 -- whatever kept it from starting, it is tried again
                self._notice(one.spec.name, "could not be started", {"reason": str(error)})
            if one.stopping:
                return
            await self._pause(one)

    async def _run_once(self, one: Supervised) -> None:
        if one.spec.prepare is not None:
            await asyncio.to_thread(one.spec.prepare)
        process = self._launch(one)
        probe = asyncio.create_task(self._watch_readiness(one))
        try:
            code = await exit_code(process)
        finally:
            probe.cancel()
            one.ready.clear()
        kill_group(process.pid)
        if not one.stopping:
            self._notice(one.spec.name, "ended", {"code": code})

    def _launch(self, one: Supervised) -> "subprocess.Popen[bytes]":
        output = self._output(one.spec.name)
        try:
            one.process = launch(
                one.spec.command,
                env=one.spec.env,
                output=output,
                account=one.spec.account,
                death_signal=one.spec.stop_signal,
            )
        finally:
            os.close(output)
        one.state = State.STARTING
        one.started_at = datetime.now(UTC)
        one.started_monotonic = time.monotonic()
        if one.spec.started is not None:
            one.spec.started(one.process)
        self._changed()
        return one.process

    async def _watch_readiness(self, one: Supervised) -> None:
        while not await self._probe(one.spec):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(PROBE_SECONDS)
        one.state = State.READY
        one.was_ready = True
        one.hopeless.clear()
        one.ready.set()
        self._changed()
        seconds = round(time.monotonic() - one.started_monotonic, 2)
        self._notice(one.spec.name, "ready", {"seconds": seconds, "pid": one.pid})

    async def _probe(self, spec: ProcessSpec) -> bool:
        if spec.is_ready is not None:
            return await asyncio.to_thread(spec.is_ready)
        if spec.ready_url is None:
            return True
        try:
            return (await self._client.get(spec.ready_url)).status_code == 200
        except httpx.HTTPError:
            return False

    async def _pause(self, one: Supervised) -> None:
        if time.monotonic() - one.started_monotonic > STABLE_SECONDS:
            one.pause_seconds = FIRST_PAUSE_SECONDS
        pause = one.pause_seconds * (0.5 + self._jitter())
        one.pause_seconds = min(one.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        one.restarts += 1
        one.state = State.WAITING
        if not one.was_ready and one.restarts >= HOPELESS_AFTER_STARTS:
            one.hopeless.set()
        self._changed()
        self._notice(one.spec.name, "starts again", {"pause_seconds": round(pause, 2), "restarts": one.restarts})
        await asyncio.sleep(pause)

    async def _stop_one(self, one: Supervised) -> None:
        one.stopping = True
        began = time.monotonic()
        if one.process is not None and one.process.poll() is None:
            one.process.send_signal(one.spec.stop_signal)
            try:
                async with asyncio.timeout(one.spec.drain_seconds):
                    await exit_code(one.process)
            except TimeoutError:
                self._notice(one.spec.name, "did not drain in time and is killed", {"seconds": one.spec.drain_seconds})
                kill_tree(one.process)
            kill_group(one.process.pid)
            facts = {"code": one.process.returncode, "seconds": round(time.monotonic() - began, 2)}
            self._notice(one.spec.name, "stopped", facts)
        if one.keeper is not None:
            one.keeper.cancel()
            await asyncio.gather(one.keeper, return_exceptions=True)
        one.ready.clear()
        one.state = State.STOPPED
        self._changed()


async def exit_code(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a child of ours to end, without a thread; its exit code (negative: the signal that ended it)."""
    loop = asyncio.get_running_loop()
    while process.poll() is None:
        try:
            descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            await asyncio.sleep(0.1)
            continue
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return process.wait()
