"""The witness over the bus, and `yoyaku security witness`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loguru import logger
from pydantic import ValidationError
from rich.console import Console

from yoyaku.contracts.rpc import (
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    RPC_SECURITY_DETECTOR_WITNESS_V1,
    CosignedReply,
    CosignedRequest,
    WitnessReply,
    WitnessRequest,
)
from yoyaku.messaging.broker import make_broker
from yoyaku.messaging.rpc import RpcUnavailableError, request
from yoyaku.security_detector.entrypoints.show_witness import as_json, read, show
from yoyaku.security_detector.settings import ReadingSettings, SecurityDetectorSettings
from yoyaku.security_detector.wiring import run
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.replicas import secret_file
from yoyaku.tlog.checkpoint import Checkpoint, open_checkpoint
from yoyaku.tlog.keys import SigningKey, VerifierKey
from yoyaku.tlog.witness import AddCheckpoint

LOG = SigningKey("audit.yoyaku/test/1", b"\x01" * 32)
LIMIT_SECONDS = 60.0


@asynccontextmanager
async def replicas_of(settings: SecurityDetectorSettings, count: int) -> AsyncIterator[None]:
    """Run replicas of the detector in this loop."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(run(settings, stop)) for _ in range(count)]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(*tasks)


@pytest.mark.requirement("AU-02", "EV-08")
async def test_any_replica_cosigns_and_the_command_shows_it(
    detector_settings: SecurityDetectorSettings,
    detector_environment: dict[str, str],
    security_database: Database,
    bus: Bus,
    tmp_path: Path,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    seeds = secret_file(tmp_path / "witness.keys", "02" * 32)
    public = Ed25519PrivateKey.from_private_bytes(LOG.seed).public_key().public_bytes_raw()
    trusted = secret_file(tmp_path / "log.pub", public.hex())
    own = {"environment": "test", "witness_keys_file": seeds, "witness_log_public_keys_file": trusted}
    errors: list[str] = []
    broker = make_broker(bus.settings_for("audit-log"), service="audit-log")

    async def ask(size: int, old: int) -> WitnessReply:
        note = Checkpoint(LOG.name, size, bytes([size]) * 32).sign([LOG])
        body = AddCheckpoint(old, (), note).encode().decode()
        return await request(broker, RPC_SECURITY_DETECTOR_WITNESS_V1, WitnessRequest(body=body), WitnessReply)

    async def newest() -> CosignedReply:
        question = CosignedRequest(origin=LOG.name)
        return await request(broker, RPC_SECURITY_DETECTOR_COSIGNED_V1, question, CosignedReply)

    async def answers() -> bool:
        try:
            return (await newest()).note is None
        except RpcUnavailableError:
            return False

    handler = logger.add(lambda line: errors.append(str(line)), level="ERROR", format="{message}")
    await broker.start()
    try:
        async with replicas_of(detector_settings.model_copy(update=own), 2):
            await eventually(answers)
            assert (await ask(7, 0)).status == 200
            assert [(await ask(9, 7)).status for _ in range(3)] == [422] * 3
            assert (await ask(9, 0)).content_type == "text/x.tlog.size"
            note = (await newest()).note
    finally:
        await broker.stop()
        logger.remove(handler)
    assert note is not None
    assert errors == ["a checkpoint that the audit log signed was refused\n"] * 3

    kept = await read(ReadingSettings(database=detector_settings.database))
    (found,) = json.loads(as_json(kept))
    key = VerifierKey.parse(found["vkeys"][0])
    opened = open_checkpoint(note, origin=LOG.name, log_keys=[LOG.verifier], witness_keys=[key])
    assert (opened.checkpoint.size, len(opened.cosignatures), key.name) == (7, 1, "witness.yoyaku/test")
    assert found["note"] == note
    command = [sys.executable, "-m", "yoyaku.security_detector.entrypoints.show_witness", str(tmp_path), "--note"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=detector_environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == note
    console = Console(width=200, record=True, file=StringIO())
    show(kept, console)
    text = console.export_text()
    for told in (key.vkey, LOG.name, "07" * 32):
        assert told in text

    connection = await asyncpg.connect(**security_database.admin.connect_arguments("test"))
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE witness_checkpoint SET note = replace(note, 'audit', 'audot')")
    await connection.close()
    done = await asyncio.to_thread(
        subprocess.run, command, env=detector_environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the memory of the witness is damaged")
    assert done.stderr.count("\n") == 1


def test_before_anything_was_cosigned_there_is_nothing_to_show(
    detector_environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "yoyaku.security_detector.entrypoints.show_witness", str(tmp_path), "--note"]
    done = subprocess.run(command, env=detector_environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "error: nothing was cosigned yet\n")


def test_keys_of_the_witness_and_of_the_log_come_together(detector_settings: SecurityDetectorSettings) -> None:
    given = detector_settings.model_dump()
    with pytest.raises(ValidationError, match="given together"):
        SecurityDetectorSettings(**(given | {"witness_keys_file": Path("keys")}))
