"""A process from its first line to its exit code."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest

from yoyaku.lifecycle.process import holder_name, utc_now, version_of

PROGRAM = """
import asyncio, sys
from yoyaku.lifecycle.process import run_process
from yoyaku.lifecycle.work import work_until
from yoyaku.observability.health import Health
from yoyaku.observability.settings import ObservabilitySettings

async def until_told(stop):
    print("working", type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()

async def fail(stop):
    raise ValueError("unforeseen")

async def run(stop):
    works = {"relay": until_told} | ({"expiry": fail} if sys.argv[1:] else {})
    await work_until(stop, works, health=Health("booking", "1"))
    print("finished", flush=True)

run_process("booking", run, observability=ObservabilitySettings())
"""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.requirement("GW-07")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_finishes_and_ends_with_0(number: signal.Signals) -> None:
    process = await started()
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"working uvloop\n"
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert out == b"finished\n"
    assert b"CRITICAL" not in err


async def test_work_that_fails_ends_it_with_another_code_and_critical_lines() -> None:
    process = await started("fail")
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"finished" not in out
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines if line["level"] == "CRITICAL"] == [
        "background work failed, the process ends",
        "process ended by an uncaught exception",
    ]


def test_a_name_for_the_table_of_leaders_tells_restarts_apart() -> None:
    assert holder_name() != holder_name()
    assert len(holder_name().split("/")) == 3


def test_the_clock_is_aware_and_the_version_is_the_distributions() -> None:
    assert utc_now().utcoffset() is not None
    assert version_of("booking") == "0.1.0"
