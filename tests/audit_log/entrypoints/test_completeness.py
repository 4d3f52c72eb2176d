"""What the command says of completeness, answered from a real database over a real bus."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from yoyaku.audit_log.adapters.postgres.completeness import PostgresCompleteness
from yoyaku.audit_log.domain.completeness import GapReason
from yoyaku.audit_log.domain.numbers import Numbers
from yoyaku.audit_log.wiring.completeness import completeness_part
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusReply, AuditLogStatusRequest
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.messaging.outbox import Outbox
from yoyaku.messaging.rpc import serve
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.bus import Bus

YOYAKU = Path(sys.executable).parent / "yoyaku"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOURCE = "/booking/07"


@pytest.fixture
async def data(bus: Bus, pool: Pool, tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder of a system whose audit log answers for its status."""
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))
    part = completeness_part(pool)

    async def status(_: AuditLogStatusRequest) -> AuditLogStatusReply:
        return AuditLogStatusReply(
            next_position=0,
            epoch=1,
            origin="o",
            verifier_keys=(),
            witness_keys=(),
            checkpoint_size=0,
            cosigned_size=None,
            parts={"completeness": await part()},
        )

    broker = make_broker(bus.settings_for("audit-log"), service="audit-log")
    serve(broker, RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest, status)
    await start_broker(broker)
    yield tmp_path
    await broker.stop()


async def completeness(data: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [str(YOYAKU), "audit", "completeness", "--data", str(data), *options]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.requirement("AU-04")
async def test_completeness_is_told_to_people_and_programs(
    data: Path, pool: Pool, outbox: Outbox, held_lease: Any
) -> None:
    nothing = await completeness(data)
    assert (nothing.returncode, "no look" in nothing.stderr) == (0, True)
    async with held_lease(pool) as lease, PostgresCompleteness(pool, outbox, lease).transaction() as transaction:
        await transaction.note_look({SOURCE: 90, "/booking/08": 7}, NOON, ["security-detector"])
        await transaction.open_gap(SOURCE, GapReason.MISSING, Numbers.of([(41, 43)]), NOON)
        await transaction.open_gap(SOURCE, GapReason.LOST_AT_SOURCE, Numbers.of([(17, 17)]), NOON)
    shown = await completeness(data)
    assert shown.returncode == 1, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert [SOURCE, "40", "0", "1"] in lines
    assert ["/booking/08", "7", "0"] in lines
    assert [SOURCE, "41", "to", "43", "missing", "2026-11-24T12:00:00"] in lines
    assert [SOURCE, "17", "lost_at_source", "2026-11-24T12:00:00"] in lines
    assert "security-detector did not answer" in shown.stderr
    told = json.loads((await completeness(data, "--json")).stdout)
    assert (told["open_gaps"], told["looked_at"]) == (2, "2026-11-24T12:00:00+00:00")
    assert told["gaps"][0] == {
        "source": SOURCE,
        "first_number": 41,
        "last_number": 43,
        "reason": "missing",
        "found_at": "2026-11-24T12:00:00+00:00",
        "asked_at": None,
        "asked_count": 0,
    }
