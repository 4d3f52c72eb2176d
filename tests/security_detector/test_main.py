"""Real processes: two side by side, kill -9, SIGTERM, and what an operator sees."""

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from yoyaku.postgres.pool import Pool

Eventually = Callable[..., Awaitable[None]]
ADDRESSES = [f"203.0.113.{number}" for number in range(10, 20)]
MODULE = "yoyaku.security_detector"


def executed(module: str, *arguments: str, env: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)


def everything_blocked(attack: Any) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return {block.value for block in (await attack.blocks()).values()} == set(ADDRESSES)

    return check


async def all_told(attack: Any) -> bool:
    return len(await attack.told()) >= 2 * len(ADDRESSES)


@pytest.mark.requirement("SD-02", "SD-03", "EV-04")
async def test_one_leads_and_the_other_takes_over_from_a_killed_leader(
    start_replica: Callable[..., Any], attack: Any, pool: Pool, eventually: Eventually
) -> None:
    first = start_replica()
    await eventually(first.leads)
    second = start_replica()
    await eventually(second.stands_by)
    for address in ADDRESSES:
        await attack.fail(3, address=address)
    first.kill()
    for address in ADDRESSES:
        await attack.fail(2, address=address)
    await eventually(second.leads)
    await eventually(everything_blocked(attack))
    await attack.replay()
    await eventually(attack.is_handled)
    await eventually(lambda: all_told(attack))
    assert await pool.fetchval("SELECT count(*) FROM incident") == len(ADDRESSES)
    assert len(await attack.told()) == 2 * len(ADDRESSES)


@pytest.mark.requirement("SD-02", "SD-03")
async def test_a_leader_that_was_frozen_commits_nothing_twice(
    start_replica: Callable[..., Any], attack: Any, pool: Pool, eventually: Eventually
) -> None:
    first = start_replica()
    await eventually(first.leads)
    second = start_replica()
    await eventually(second.stands_by)
    await attack.fail(4, address=ADDRESSES[0])
    await eventually(attack.is_handled)
    first.send(signal.SIGSTOP)
    for address in ADDRESSES:
        await attack.fail(5, address=address)
    await eventually(second.leads)
    first.send(signal.SIGCONT)
    await eventually(everything_blocked(attack))
    await eventually(lambda: all_told(attack))
    await eventually(attack.is_handled)
    await eventually(first.stands_by)
    assert await pool.fetchval("SELECT count(*) FROM incident") == len(ADDRESSES)
    assert len(await attack.told()) == 2 * len(ADDRESSES)


@pytest.mark.requirement("GW-07", "SD-04")
async def test_sigterm_ends_it_well_and_operators_see_the_blocks(
    tmp_path: Path,
    start_replica: Callable[..., Any],
    detector_environment: dict[str, str],
    attack: Any,
    eventually: Eventually,
) -> None:
    replica = start_replica()
    await eventually(replica.leads)
    await attack.fail(5)
    await eventually(attack.is_blocked)
    replica.send(signal.SIGTERM)
    assert replica.process.wait(20) == 0
    shown = partial(executed, f"{MODULE}.entrypoints.list_blocks")
    (block,) = json.loads(shown(str(tmp_path), "--json", env=detector_environment).stdout)
    (pushed,) = (await attack.blocks()).values()
    assert block["value"] == "203.0.113.9"
    assert block["block_id"] == pushed.block_id
    assert b"1 block in force" in shown(str(tmp_path), env=detector_environment).stdout
    away = shown(str(tmp_path), env=detector_environment | {"SECURITY_DETECTOR_DATABASE__PORT": "1"})
    assert away.returncode == 1
    assert b"cannot be read" in away.stderr
