"""Signing in: 100 people at once, and bookings beside a steady stream of sign-ins (ID-01, ID-02).

Baseline of the burst: 100 bare hashes of the same parameters in two threads of the same priority: two cores are not
faster. Baseline of the bookings: themselves, alone. The median of the rounds counts. The CPU that a sign-in
costs says on a busy machine what an idle one would take: half of it a sign-in.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from loadtests.bench.figure import Figure
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, running_servers
from loadtests.bench.stage import (
    LIMIT_SECONDS,
    PASSWORD,
    PEOPLE,
    ROUNDS,
    SECONDS,
    WARMUP_SECONDS,
    Stage,
    cpu_seconds,
    furnish,
    gateway,
    load,
    make_admin,
)

from yoyaku.booking.adapters.argon2.passwords import MEMORY_KIB, NICENESS, PASSES, hasher

AT_ONCE = 100
CORES = 2
STREAMS = 20
BOOKERS = 32
GOAL_MS = 1000.0
GOAL_RATIO = 0.5


def measure() -> list[Figure]:
    """Measure bursts beside bare hashing, then bookings alone and beside sign-ins."""
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.booking"))
        asyncio.run(make_admin(database))
        with gateway(servers, database, PRODUCTION_SAMPLE_RATIO) as port:
            stage = furnish(servers, database, port)
            signed_in(stage)
            return [*at_once(stage), beside(stage)]


def at_once(stage: Stage) -> list[Figure]:
    """Measure bursts of sign-ins, then as many bare hashes."""
    before = cpu_seconds()
    bursts = [signed_in(stage) for _ in range(ROUNDS)]
    after = cpu_seconds()
    cost = {name: 1e3 * (after[name] - before[name]) / (ROUNDS * AT_ONCE) for name in after}
    bare = [bare_hashes() for _ in range(ROUNDS)]
    note = f"Argon2id {MEMORY_KIB // 1024} MiB, t={PASSES}; CPU a sign-in: " + ", ".join(
        f"{name} {value:.1f} ms" for name, value in cost.items()
    )
    return [
        Figure(
            name=f"{AT_ONCE} sign-ins at once, p{percent}",
            value=1e3 * statistics.median(percentile(burst, percent) for burst in bursts),
            unit="ms",
            baseline_name=f"{AT_ONCE} bare hashes, {CORES} threads",
            baseline=1e3 * statistics.median(percentile(hashes, percent) for hashes in bare),
            goal=GOAL_MS if percent == 95 else None,
            less_is_better=True,
            note=note,
        )
        for percent in (50, 95)
    ]


def beside(stage: Stage) -> Figure:
    """Alternate bookings alone with bookings beside a stream of sign-ins."""
    alone, disturbed, sign_ins = [], [], []
    for _ in range(ROUNDS):
        alone.append(load(stage, BOOKERS).per_second)
        with started(stage, STREAMS, seconds=SECONDS + 2 * WARMUP_SECONDS) as stream:
            disturbed.append(load(stage, BOOKERS).per_second)
            told, _ = stream.communicate(timeout=LIMIT_SECONDS)
        sign_ins.append(json.loads(told)["per_second"])
    return Figure(
        name=f"bookings, {BOOKERS} connections, beside {STREAMS} people who keep signing in",
        value=statistics.median(disturbed),
        unit="bookings/s",
        baseline_name="bookings alone",
        baseline=statistics.median(alone),
        goal_ratio=GOAL_RATIO,
        note=f"{statistics.median(sign_ins):.0f} sign-ins/s beside",
    )


def signed_in(stage: Stage) -> list[float]:
    """Return when each of the sign-ins sent at once was answered, in seconds."""
    with started(stage, AT_ONCE) as burst:
        told, _ = burst.communicate(timeout=LIMIT_SECONDS)
    result = json.loads(told)
    if result["statuses"] != ["200"]:
        raise RuntimeError(f"not everybody was signed in: {result['statuses']}")
    seconds: list[float] = result["seconds"]
    return seconds


def started(stage: Stage, connections: int, **more: float) -> "subprocess.Popen[bytes]":
    """Start a process of people who sign in."""
    people = [f"p{number}" for number in range(PEOPLE)]
    plan = {"host": "127.0.0.1", "port": stage.port, "at_once": connections, "people": people, "password": PASSWORD}
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.sign_in_burst"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan | more).encode())
    process.stdin.close()
    process.stdin = None
    return process


def bare_hashes() -> list[float]:
    """Return when each of as many bare hashes was done, in seconds."""
    bare = hasher(MEMORY_KIB, PASSES)
    with ThreadPoolExecutor(CORES, initializer=_step_back) as pool:
        list(pool.map(lambda _: bare.hash(PASSWORD), range(CORES)))
        began = time.perf_counter()

        def one(_: int) -> float:
            bare.hash(PASSWORD)
            return time.perf_counter() - began

        return sorted(pool.map(one, range(AT_ONCE)))


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value that so many percent do not exceed."""
    return ordered[max(0, len(ordered) * percent // 100 - 1)]
