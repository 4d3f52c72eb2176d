"""A person is forgotten in a running system, and every proof of the log holds (AU-06)."""

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


@pytest.mark.requirement("AU-06")
async def test_who_is_forgotten_is_read_by_nobody_and_every_proof_holds(
    start_replica: Callable[..., Any],
    producer: Any,
    pool: Pool,
    bus: Bus,
    tmp_path: Path,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))

    async def audit(*arguments: str) -> Any:
        command = [str(YOYAKU), "audit", *arguments, "--data", str(tmp_path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    async def signed(at_least: int) -> bool:
        return int(await pool.fetchval("SELECT coalesce(max(size), 0) FROM audit_checkpoint_latest")) >= at_least

    start_replica()
    await producer.publish(3)
    await eventually(lambda: signed(3))
    found = await audit("search", "--client", "127.0.0.1", "--json")
    assert {entry["client_address"] for entry in found["entries"]} == {"127.0.0.1"}
    (positions := [entry["position"] for entry in found["entries"]]).sort()

    watched = await audit("watch", "--once", "--json", "--verify")
    assert (watched["outcome"], watched["cosigned_size"]) == ("consistent", None)
    assert watched["size"] >= 3
    assert (tmp_path / "audit-watch.json").stat().st_mode & 0o777 == 0o600

    told = await audit("forget", "person/1", "--yes", "--json")
    assert told == {"key_reference": "person/1", "was_known": True}
    assert (await audit("search", "--client", "127.0.0.1", "--json"))["entries"] == []
    shown = (await audit("show", str(positions[0]), "--json"))["entry"]
    assert (shown["client_address"], shown["forgotten"]) == (None, ["/client_address"])
    assert shown["actor"] == "person/1"

    await producer.publish(1)
    await producer.repeat(1)  # a redelivery of something forgotten is no contradiction
    later = "SELECT leaf FROM audit_entry WHERE source = '/booking/07' AND number = 4"

    async def recorded() -> bool:
        return await pool.fetchval(later) is not None

    await eventually(recorded)
    assert json.loads(await pool.fetchval(later))["client_address"] == {"key": "person/1", "forgotten": True}
    assert await pool.fetchval("SELECT count(*) FROM audit_contradiction") == 0
    forgotten = "SELECT count(*) FROM audit_entry WHERE type = 'audit.person.forgotten.v1'"

    async def is_an_entry() -> bool:
        return bool(await pool.fetchval(forgotten))

    await eventually(is_an_entry)
    assert [one.name for one in (tmp_path / "archive" / "forgotten" / "development").iterdir()]

    grown = await audit("watch", "--once", "--json")
    assert grown["size"] == watched["size"] + grown["grown_by"] > watched["size"]

    (vkey,) = (await audit("status", "--json"))["verifier_keys"]
    await audit("export", "--to", str(tmp_path / "export"))
    command = [str(YOYAKU), "audit", "verify", str(tmp_path / "export"), "--key", vkey]
    verified = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "127.0.0.1" not in "".join(
        path.read_bytes().decode("latin-1") for path in (tmp_path / "export").rglob("*") if path.is_file()
    )
