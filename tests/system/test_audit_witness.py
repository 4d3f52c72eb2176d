"""The audit log and its witness as two real services, each killed at its work, and a database that is put back."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.js import JetStreamContext

from yoyaku.contracts.booking_v1 import RoomCreated
from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.registry import encode
from yoyaku.messaging.ids import new_event_id
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.bus import Bus
from yoyaku.testkit.databases import Database
from yoyaku.testkit.replicas import Replica, database_environment, environment_of, prefixed, replicas, secret_file
from yoyaku.tlog.checkpoint import Checkpoint, open_checkpoint
from yoyaku.tlog.cosignature import cosign
from yoyaku.tlog.errors import UnverifiedNoteError
from yoyaku.tlog.keys import Algorithm, SigningKey, VerifierKey
from yoyaku.tlog.witness import SIZE_MEDIA_TYPE, RefusedError, check_extends, encode_cosignatures, open_request

AUDIT = "yoyaku.audit_log"
DETECTOR = "yoyaku.security_detector"
LOG_SEED, WITNESS_SEED = "01" * 32, "02" * 32
LOG_KEY = SigningKey("audit.yoyaku/test/1", bytes.fromhex(LOG_SEED)).verifier
LATEST = """
SELECT e.epoch, e.origin, c.size, coalesce(c.cosigned_size, 0) AS cosigned_size, c.cosigned_note
  FROM audit_epoch e LEFT JOIN audit_checkpoint_latest c USING (epoch) ORDER BY e.epoch DESC LIMIT 1
"""
Eventually = Callable[..., Awaitable[None]]


def public(seed: str) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw()


@asynccontextmanager
async def connected(settings: PostgresSettings) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**settings.connect_arguments("test"))
    try:
        yield connection
    finally:
        await connection.close()


@dataclass
class Services:
    """Both services on one bus, and what the log holds."""

    audit_database: Database
    js: JetStreamContext
    start_audit_log: Callable[[], Replica]
    start_detector: Callable[[], Replica]
    log_keys: Path
    published: int = 0

    async def publish(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            envelope = Envelope(
                id=new_event_id(),
                source="/booking/07",
                type=RoomCreated.TYPE,
                time=datetime.now(UTC),
                subject=f"room/{self.published}",
                sequence=self.published,
                actor="operator",
                correlation_id="c",
                causation_id=None,
                client_address=None,
                dataschema="s",
            )
            body = RoomCreated(room_id=self.published, site="tokyo", capacity=4, time_zone="Asia/Tokyo")
            await self.js.publish(RoomCreated.TYPE, encode(body), headers=to_headers(envelope))

    async def latest(self) -> Any:
        async with connected(self.audit_database.service) as connection:
            return await connection.fetchrow(LATEST)

    async def is_recorded(self) -> bool:
        """Whether everything published is an entry."""
        async with connected(self.audit_database.service) as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM audit_entry WHERE type = $1", RoomCreated.TYPE)
        return count >= self.published

    async def is_cosigned(self) -> bool:
        """Whether everything published is cosigned."""
        latest = await self.latest()
        return latest is not None and latest["cosigned_size"] >= self.published

    async def has_both_witnesses(self) -> bool:
        """Whether a kept checkpoint has the lines of both."""
        async with connected(self.audit_database.service) as connection:
            found = await connection.fetch("SELECT witness FROM audit_cosignature ORDER BY witness")
        return [row["witness"].partition("+")[0] for row in found] == ["witness.example/w1", "witness.yoyaku/test"]

    async def has_two_trees(self) -> bool:
        """Whether a second epoch is open, signed and cosigned."""
        latest = await self.latest()
        return latest is not None and latest["epoch"] == 2 and latest["cosigned_size"] > 1

    async def as_admin(self, statement: str) -> None:
        async with connected(self.audit_database.admin.model_copy(update={"database": "postgres"})) as connection:
            await connection.execute(statement)


@pytest_asyncio.fixture
async def audit_database(database: Callable[..., Awaitable[Database]]) -> Database:
    return await database(AUDIT)


@pytest_asyncio.fixture
async def security_database(database: Callable[..., Awaitable[Database]]) -> Database:
    return await database(DETECTOR)


@dataclass
class OutsideWitness:
    """A witness of somebody else, on a port of this test: C2SP tlog-witness over HTTP."""

    key: SigningKey
    latest: Checkpoint | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        status, media, answer = self.answer(body)
        writer.write(f"HTTP/1.1 {status} -\r\nContent-Type: {media}\r\nContent-Length: {len(answer.encode())}".encode())
        writer.write(b"\r\nConnection: close\r\n\r\n" + answer.encode())
        await writer.drain()
        writer.close()

    def answer(self, body: bytes) -> tuple[int, str, str]:
        try:
            opened = open_request(body, {"audit.yoyaku/test/1": [LOG_KEY]})
            check_extends(opened, self.latest)
        except RefusedError as refused:
            return refused.status, SIZE_MEDIA_TYPE if refused.body else "text/plain", refused.body
        self.latest = opened.checkpoint
        line = cosign(opened.request.note.text, self.key, int(datetime.now(UTC).timestamp()))
        return 200, "text/plain", encode_cosignatures([line])


@pytest_asyncio.fixture
async def outside() -> AsyncIterator[tuple[str, str]]:
    """The address and the vkey of an outside witness."""
    witness = OutsideWitness(SigningKey("witness.example/w1", b"\x04" * 32, Algorithm.COSIGNATURE_V1))
    server = await asyncio.start_server(witness.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", witness.key.vkey


@pytest.fixture
def services(
    audit_database: Database,
    security_database: Database,
    outside: tuple[str, str],
    bus: Bus,
    js: JetStreamContext,
    tmp_path: Path,
) -> Iterator[Services]:
    log_keys = secret_file(tmp_path / "log.keys", LOG_SEED)
    witness_keys = secret_file(tmp_path / "witness.keys", WITNESS_SEED)
    log_public = secret_file(tmp_path / "log.pub", public(LOG_SEED).hex())
    witness_public = secret_file(tmp_path / "witness.pub", public(WITNESS_SEED).hex())
    audit = environment_of(AUDIT, audit_database.service, bus, tmp_path) | prefixed(
        AUDIT,
        {
            **database_environment("SEALER_DATABASE", audit_database.as_role("sealer"), tmp_path),
            **database_environment("KEYS_DATABASE", audit_database.as_role("keys"), tmp_path),
            "ENVIRONMENT": "test",
            "LEASE_SECONDS": "1",
            "SIGNING_KEYS_FILE": str(log_keys),
            "MASTER_KEY_FILE": str(secret_file(tmp_path / "master.key", token_hex(32))),
            "DIGEST_KEY_FILE": str(secret_file(tmp_path / "digest.key", token_hex(32))),
            "WITNESS_PUBLIC_KEYS_FILE": str(witness_public),
            "OUTSIDE_WITNESSES": json.dumps([dict(zip(("url", "vkey"), outside, strict=True))]),
        },
    )
    detector = environment_of(DETECTOR, security_database.service, bus, tmp_path) | prefixed(
        DETECTOR,
        {
            "ENVIRONMENT": "test",
            "WITNESS_KEYS_FILE": str(witness_keys),
            "WITNESS_LOG_PUBLIC_KEYS_FILE": str(log_public),
        },
    )
    with ExitStack() as stack:
        start_audit_log = stack.enter_context(replicas(AUDIT, audit, tmp_path))
        start_detector = stack.enter_context(replicas(DETECTOR, detector, tmp_path))
        yield Services(audit_database, js, start_audit_log, start_detector, log_keys)


@pytest.mark.requirement("AU-02", "EV-04")
async def test_both_are_killed_and_the_database_is_put_back(services: Services, eventually: Eventually) -> None:
    name = services.audit_database.name
    audit_log, detector = services.start_audit_log(), services.start_detector()
    await services.publish(5)
    await eventually(services.is_cosigned)
    await eventually(services.has_both_witnesses)

    detector.kill()
    audit_log.kill()
    await services.as_admin(f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')
    try:
        audit_log = services.start_audit_log()
        await services.publish(5)
        await eventually(services.is_recorded)
        # Nobody can say whether this database was put back: what is recorded is not signed yet.
        assert (await services.latest())["size"] < services.published
        services.start_detector()
        await eventually(services.is_cosigned)
        latest = await services.latest()
        opened = open_checkpoint(
            latest["cosigned_note"],
            origin="audit.yoyaku/test/1",
            log_keys=[LOG_KEY],
            witness_keys=[VerifierKey("witness.yoyaku/test", Algorithm.COSIGNATURE_V1, public(WITNESS_SEED))],
        )
        assert (latest["epoch"], len(opened.cosignatures)) == (1, 1)

        audit_log.kill()
        await services.as_admin(f'DROP DATABASE "{name}" WITH (FORCE)')
        await services.as_admin(f'CREATE DATABASE "{name}" TEMPLATE "{name}_backup"')
        audit_log = services.start_audit_log()
        await services.publish(5)
        await eventually(services.has_two_trees)
    finally:
        await services.as_admin(f'DROP DATABASE "{name}_backup" WITH (FORCE)')
    assert "a new epoch of the audit log begins" in audit_log.log
    async with connected(services.audit_database.service) as connection:
        first = await connection.fetchrow("SELECT type, position FROM audit_entry WHERE epoch = 2 ORDER BY position")
        told = await connection.fetchval("SELECT count(*) FROM audit_entry WHERE type = 'audit.integrity.violated.v1'")
        gaps = await connection.fetchval("SELECT max(position) + 1 - count(*) FROM audit_entry")
    assert first["type"] == "audit.epoch.opened.v1"
    assert gaps == 0
    assert told <= 1


@pytest.mark.requirement("AU-02", "EV-04")
async def test_keys_rotate_while_both_run(services: Services, bus: Bus, tmp_path: Path, eventually: Eventually) -> None:
    connection = {"nats_url": bus.url, "nats_seed_files": {"operator": str(bus.seed_file("operator"))}}
    (tmp_path / "connection.json").write_text(json.dumps(connection))

    async def keys(*arguments: str) -> "subprocess.CompletedProcess[str]":
        where = ("--file", str(services.log_keys), "--environment", "test", "--data", str(tmp_path))
        command = [str(Path(sys.executable).parent / "yoyaku"), "audit", "keys", *arguments, *where]
        return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)

    services.start_audit_log()
    services.start_detector()
    await services.publish(2)
    await eventually(services.is_cosigned)
    added = await keys("new")
    assert added.returncode == 0, added.stderr
    new = VerifierKey.parse(added.stdout)
    refused = await keys("retire", f"{LOG_KEY.key_id:08x}")
    assert (refused.returncode, "no signature of a key that stays" in refused.stderr) == (1, True)
    await services.publish(2)
    await eventually(services.is_cosigned)
    retired = await keys("retire", f"{LOG_KEY.key_id:08x}")
    assert retired.returncode == 0, retired.stderr
    await services.publish(2)
    await eventually(services.is_cosigned)
    note = (await services.latest())["cosigned_note"]
    assert len(open_checkpoint(note, origin=new.name, log_keys=[new]).signatures) == 1
    with pytest.raises(UnverifiedNoteError):
        open_checkpoint(note, origin=new.name, log_keys=[LOG_KEY])
