"""The memory of every process over time, and whether it grows.

Memory is the proportional set size of a process and its children. Whether it grows is judged by the median of all
slopes between two samples (Theil and Sen), which a few high samples do not move, over what follows the warm-up.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import psutil

from yoyaku.embedded.system import System

MEBIBYTE = 1024 * 1024
WARMUP_SHARE = 1 / 3
"""The share of a run in which caches, pools and shared buffers may still fill."""
ALLOWED_MIB = 4.0
ALLOWED_SHARE = 0.05
"""What a process may have gained after the warm-up, whichever is more: noise of an allocator, no growth."""
_SLOPE_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Trend:
    """What the memory of a process did after the warm-up: MiB, and MiB an hour by the median slope."""

    median: float
    peak: float
    gained: float
    per_hour: float

    @property
    def grows(self) -> bool:
        """Whether it gained more than noise explains."""
        return self.gained > max(ALLOWED_MIB, ALLOWED_SHARE * self.median)


@dataclass
class MemoryLog:
    """Samples in MiB by process, at seconds since the first."""

    seconds: list[float] = field(default_factory=list)
    processes: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at: float, sample: Mapping[str, float]) -> None:
        """Add one sample of every process."""
        self.seconds.append(at)
        for name, value in sample.items():
            self.processes.setdefault(name, []).append(value)


def trend(seconds: Sequence[float], values: Sequence[float], warmup_share: float = WARMUP_SHARE) -> Trend:
    """Judge one process. Needs two samples after the warm-up."""
    begins = seconds[0] + (seconds[-1] - seconds[0]) * warmup_share
    points = [(at, value) for at, value in zip(seconds, values, strict=True) if at >= begins]
    thinned = points[:: max(1, len(points) // _SLOPE_SAMPLES)]
    slope = statistics.median((b - a) / (t - s) for (s, a), (t, b) in combinations(thinned, 2))
    after = [value for _, value in points]
    return Trend(statistics.median(after), max(values), slope * (points[-1][0] - points[0][0]), slope * 3600)


async def sampled(system: System, log: MemoryLog, every_seconds: float) -> None:
    """Sample every process of the system until cancelled."""
    began = time.monotonic()
    while True:
        log.add(time.monotonic() - began, await asyncio.to_thread(_sample, system))
        await asyncio.sleep(every_seconds)


def _sample(system: System) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, one in system.supervisor.processes.items():
        if one.pid is None:
            continue
        try:
            process = psutil.Process(one.pid)
            members = [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
        found[name] = sum(map(_share, members)) / MEBIBYTE
    return found


def _share(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.Error:
        return 0.0
