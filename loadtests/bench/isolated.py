"""Runs a measured part in a process of its own, held to one core, and takes its wall and CPU time.

A goal "on one core" is about what one full core can do. Wall time says that only on an idle machine; events per CPU
second say it on a busy one too, so both are kept.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a number of events took one process."""

    events: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Events per second of wall time."""
        return self.events / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        """Events per second of the process's own CPU time."""
        return self.events / self.cpu_seconds


class Stopwatch:
    """Takes wall and CPU time of this process between `start` and `stop`."""

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, events: int) -> Measured:
        return Measured(events, time.perf_counter() - self._wall, time.process_time() - self._cpu)


Part = Callable[..., Awaitable[Measured]]


def on_one_core(part: Part, *arguments: Any) -> Measured:
    """Run the coroutine function in a fresh process on one core; arguments and result are pickled."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(_run, part, arguments).result()


def _run(part: Part, arguments: tuple[Any, ...]) -> Measured:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    async def main() -> Measured:
        return await part(*arguments)

    return asyncio.run(main())
