import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus

YOYAKU = Path(sys.executable).parent / "yoyaku"


async def yoyaku(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(YOYAKU), "audit", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def data(bus: Bus, tmp_path: Path) -> Path:
    """A data folder as a running system leaves it."""
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    return tmp_path


@pytest.mark.requirement("AU-07")
async def test_entries_are_found_for_people_and_programs(
    start_replica: Callable[..., Any],
    producer: Any,
    pool: Pool,
    data: Path,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    await producer.publish(7)
    start_replica()

    async def recorded() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = 7 FROM audit_entry WHERE source = '/booking/07'"))

    await eventually(recorded)
    shown = await yoyaku("search", "--data", str(data), "--json", "--after", "2", "--limit", "3")
    assert shown.returncode == 0, shown.stderr
    page = json.loads(shown.stdout)
    assert [entry["position"] for entry in page["entries"]] == [3, 4, 5]
    assert page["next_after_position"] == 5

    shown = await yoyaku("search", "--data", str(data), "--subject", "room/4")
    assert shown.returncode == 0, shown.stderr
    assert "booking.room.created.v1" in shown.stdout
    assert "room/4" in shown.stdout
    assert "room/5" not in shown.stdout


async def test_nobody_there_is_one_line_and_exit_code_3(data: Path, tmp_path: Path) -> None:
    nobody_answers = await yoyaku("search", "--data", str(data))
    assert nobody_answers.returncode == 3
    assert len(nobody_answers.stderr.strip().splitlines()) == 1
    no_system = await yoyaku("search", "--data", str(tmp_path / "elsewhere"))
    assert no_system.returncode == 3
    assert "--data" in no_system.stderr


async def test_wrong_usage_is_told() -> None:
    assert (await yoyaku("search", "--limit", "0")).returncode == 2
