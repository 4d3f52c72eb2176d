"""`yoyaku backup` against a coordinator that is played; with the real one: tests/backup_coordinator/test_main.py."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from yoyaku.contracts.backup_v1 import BackupKind
from yoyaku.contracts.rpc import (
    RPC_BACKUP_COORDINATOR_LIST_V1,
    RPC_BACKUP_COORDINATOR_RUN_V1,
    BackupListReply,
    BackupListRequest,
    BackupRun,
    BackupRunReply,
    BackupRunRequest,
    BackupRunState,
)
from yoyaku.messaging import rpc
from yoyaku.messaging.broker import make_broker, start_broker
from yoyaku.observability.tracing import current_traceparent
from yoyaku.testkit.bus import Bus

YOYAKU = Path(sys.executable).parent / "yoyaku"


def run(state: BackupRunState) -> BackupRun:
    return BackupRun(
        run_id="01a20a86-e9f3-74af-a182-01c033f7f475",
        kind=BackupKind.FULL,
        state=state,
        started_at=datetime.now(UTC),
        finished_at=None,
        size_bytes=None,
        file_count=None,
        duration_seconds=None,
        manifest_sha256=None,
        reason=None,
    )


async def test_waiting_for_a_backup_leaves_no_traces_of_its_polling(bus: Bus, tmp_path: Path) -> None:
    polled: list[str | None] = []
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))

    async def begin(_: BackupRunRequest) -> BackupRunReply:
        return BackupRunReply(run=run(BackupRunState.RUNNING))

    async def newest(_: BackupListRequest) -> BackupListReply:
        polled.append(current_traceparent())
        state = BackupRunState.COMPLETED if len(polled) > 2 else BackupRunState.RUNNING
        return BackupListReply(runs=(run(state),))

    broker = make_broker(bus.settings_for("backup-coordinator"), service="backup-coordinator")
    rpc.serve(broker, RPC_BACKUP_COORDINATOR_RUN_V1, BackupRunRequest, begin)
    rpc.serve(broker, RPC_BACKUP_COORDINATOR_LIST_V1, BackupListRequest, newest)
    try:
        await start_broker(broker)
        await broker.connection.flush()
        command = [str(YOYAKU), "backup", "now", "--data", str(tmp_path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        await broker.stop()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(polled) == 3
    assert all(traceparent is not None and traceparent.endswith("-00") for traceparent in polled), polled
