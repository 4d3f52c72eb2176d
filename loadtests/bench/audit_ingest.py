"""Audit ingest: entries per second from JetStream into the log, one process of the service on one core.

The real process, telemetry on: it drains a full stream, then keeps up with a stream that gets the goal's rate, while
the newest checkpoint is watched for how far it is behind. Baselines: COPY of the same rows into the same table, and a
bare pull of the same messages. Events are by a thousand people, each from an address: every leaf has a sealed value.
"""

import asyncio
import bisect
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from loadtests.bench.consumer import consume_bare
from loadtests.bench.figure import Figure
from loadtests.bench.isolated import Measured, Stopwatch, on_one_core
from loadtests.bench.relay import connect, publish_bare
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, SERVICE, Servers, running_servers
from loadtests.bench.workload import reservation

from yoyaku.contracts.envelope import Envelope, to_headers
from yoyaku.contracts.registry import dataschema, encode
from yoyaku.messaging.ids import new_event_id
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.testkit.databases import Database
from yoyaku.testkit.replicas import secret_file

PACKAGE = "yoyaku.audit_log"
EVENTS = int(os.environ.get("AUDIT_INGEST_EVENTS", "200000"))
PUBLISHED_AT_ONCE = 50_000
RATE = int(os.environ.get("AUDIT_INGEST_RATE", "5000"))
PACED_SECONDS = 20
PACED_STEP_SECONDS = 0.02
PEOPLE = 1_000
GOAL = 5_000
MEMORY_GOAL_MB = 250
LAG_GOAL_MS = 1_000
LOOK_SECONDS = 0.01
LIMIT_SECONDS = 1800

Message = tuple[str, bytes, dict[str, str]]


def messages(first: int, count: int) -> list[Message]:
    """Make events of a thousand people, a share of them with a sampled trace."""
    chance = random.Random(first)
    made = []
    for number in range(first, first + count):
        event = reservation().model_copy(update={"person_id": str(uuid.UUID(int=number % PEOPLE))})
        sampled = "01" if chance.random() < PRODUCTION_SAMPLE_RATIO else "00"
        envelope = Envelope(
            id=new_event_id(),
            source=f"/booking/{number % 64:02d}",
            type=event.TYPE,
            time=datetime.now(UTC),
            subject=f"reservation/{event.reservation_id}",
            sequence=number // 64,
            actor=f"person/{event.person_id}",
            correlation_id=f"{chance.getrandbits(128):032x}",
            causation_id=None,
            client_address=f"192.0.2.{number % 250}",
            dataschema=dataschema(event.TYPE),
        )
        headers = to_headers(envelope) | {"Nats-Msg-Id": envelope.id}
        headers["traceparent"] = f"00-{chance.getrandbits(128) or 1:032x}-{chance.getrandbits(64) or 1:016x}-{sampled}"
        made.append((event.TYPE, encode(event), headers))
    return made


@dataclass
class Watched:
    """What was seen of a process while it worked."""

    samples: list[tuple[float, int]] = field(default_factory=list)
    """When the newest checkpoint had which size."""
    peak_bytes: int = 0
    entries: int = 0


async def watch(database: PostgresSettings, process: psutil.Process, until_size: int) -> Watched:
    """Look at the newest checkpoint and the process's memory until the checkpoint covers so many entries."""
    seen = Watched()
    connection = await asyncpg.connect(**database.connect_arguments("bench watch"))
    limit = time.monotonic() + LIMIT_SECONDS
    size = -1
    while size < until_size:
        size = await connection.fetchval("SELECT max(size) FROM audit_checkpoint_latest") or 0
        seen.samples.append((time.time(), size))
        seen.peak_bytes = max(seen.peak_bytes, process.memory_info().rss)
        if time.monotonic() > limit or process.status() == psutil.STATUS_ZOMBIE:
            raise TimeoutError(f"only {size} of {until_size} entries are covered")
        await asyncio.sleep(LOOK_SECONDS)
    await connection.close()
    return seen


@contextmanager
def service(servers: Servers, database: Database) -> Iterator[psutil.Process]:
    """Run the audit log on one core."""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: secret_file(Path(folder) / name, secrets.token_hex(32)) for name in ("signing", "master", "digest")
        }
        environment = os.environ | {
            "AUDIT_LOG_NATS__URL": servers.bus.url,
            "AUDIT_LOG_NATS__NKEY_SEED_FILE": str(servers.bus.seed_file("audit-log")),
            "AUDIT_LOG_HEALTH_PORT": "0",
            "AUDIT_LOG_SIGNING_KEYS_FILE": str(files["signing"]),
            "AUDIT_LOG_MASTER_KEY_FILE": str(files["master"]),
            "AUDIT_LOG_DIGEST_KEY_FILE": str(files["digest"]),
            "AUDIT_LOG_OBSERVABILITY__TRACE_SAMPLE_RATIO": str(PRODUCTION_SAMPLE_RATIO),
            "AUDIT_LOG_OBSERVABILITY__LOG_LEVEL": "WARNING",
            "OTEL_EXPORTER_OTLP_ENDPOINT": servers.collector,
        }
        for name, one in (
            ("DATABASE", database.service),
            ("SEALER_DATABASE", database.as_role("sealer")),
            ("KEYS_DATABASE", database.as_role("keys")),
        ):
            environment |= _database(name, one)
        core = max(os.sched_getaffinity(0))
        started = subprocess.Popen([sys.executable, "-m", PACKAGE], env=environment)
        os.sched_setaffinity(started.pid, {core})
        try:
            yield psutil.Process(started.pid)
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(60)


def _database(name: str, one: PostgresSettings) -> dict[str, str]:
    assert one.password is not None
    prefix = f"AUDIT_LOG_{name}__"
    return {
        f"{prefix}HOST": one.host,
        f"{prefix}PORT": str(one.port),
        f"{prefix}DATABASE": one.database,
        f"{prefix}USER": one.user,
        f"{prefix}PASSWORD": one.password.get_secret_value(),
    }


def drained(process: psutil.Process, database: Database, count: int) -> tuple[Measured, Watched]:
    """Let the service drain a stream that holds so many events."""
    seen = asyncio.run(watch(database.service, process, 1))
    cpu, started, already = _cpu(process), time.time(), seen.samples[-1][1]
    seen = asyncio.run(watch(database.service, process, count))
    return Measured(count - already, time.time() - started, _cpu(process) - cpu), seen


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def publish_paced(url: str, seed_file: Path, first: int) -> Measured:
    """Publish at the goal's rate, each event stamped at its publishing, and return when all is acknowledged."""
    client = await connect(url, seed_file, SERVICE)
    stream = client.jetstream()
    step = round(RATE * PACED_STEP_SECONDS)
    prepared = messages(first, RATE * PACED_SECONDS)
    pending: list[asyncio.Future[Any]] = []
    stopwatch = Stopwatch()
    stopwatch.start()
    begun = time.perf_counter()
    for place in range(0, len(prepared), step):
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        for subject, body, headers in prepared[place : place + step]:
            pending.append(await stream.publish_async(subject, body, headers=headers | {"ce-time": now}))
        if len(pending) > 2 * RATE:
            await asyncio.gather(*pending)
            pending.clear()
        await asyncio.sleep(max(0.0, begun + (place + step) / RATE - time.perf_counter()))
    await asyncio.gather(*pending)
    measured = stopwatch.stop(len(prepared))
    await client.close()
    return measured


def paced(
    servers: Servers, process: psutil.Process, database: Database, before: int
) -> tuple[Measured, float, list[float]]:
    """Publish at the goal's rate to a running service that has nothing else to do.

    Returns what was published, the CPU seconds of the service, and how long after its publishing each entry was covered
    by a checkpoint: milliseconds, the shortest first.
    """
    count = RATE * PACED_SECONDS
    cpu = _cpu(process)
    program = "from loadtests.bench.audit_ingest import main_paced; main_paced()"
    arguments = [servers.bus.url, str(servers.bus.seed_file(SERVICE)), str(before)]
    publisher = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE)
    seen = asyncio.run(watch(database.service, process, before + count))
    told, _ = publisher.communicate(timeout=LIMIT_SECONDS)
    used = _cpu(process) - cpu
    wall, publisher_cpu = map(float, told.split())
    published = asyncio.run(_published(database.service, before))
    sizes = [size for _, size in seen.samples]
    behind = [1000 * (seen.samples[bisect.bisect_right(sizes, position)][0] - at) for position, at in published]
    return Measured(count, wall, publisher_cpu), used, sorted(behind)


def main_paced() -> None:
    """Run `publish_paced` in a process of its own."""
    url, seed_file, first = sys.argv[1:]
    measured = asyncio.run(publish_paced(url, Path(seed_file), int(first)))
    print(measured.wall_seconds, measured.cpu_seconds)


async def _published(database: PostgresSettings, first: int) -> list[tuple[int, float]]:
    connection = await asyncpg.connect(**database.connect_arguments("bench"))
    rows = await connection.fetch(
        "SELECT position, extract(epoch FROM occurred_at)::float8 AS at FROM audit_entry WHERE position >= $1", first
    )
    await connection.close()
    return [(row["position"], row["at"]) for row in rows]


async def copy_rows(source: PostgresSettings, target: PostgresSettings, limit: int) -> Measured:
    """COPY rows that the service wrote into the same table of another database, 256 at a time as the service does."""
    reader = await asyncpg.connect(**source.connect_arguments("bench"))
    rows = [tuple(row) for row in await reader.fetch("SELECT * FROM audit_entry ORDER BY position LIMIT $1", limit)]
    await reader.close()
    writer = await asyncpg.connect(**target.connect_arguments("bench"))
    for moment in (rows[0][1], rows[-1][1]):
        await writer.execute("SELECT audit_make_partition($1)", moment)
    stopwatch = Stopwatch()
    stopwatch.start()
    for place in range(0, len(rows), 256):
        await writer.copy_records_to_table("audit_entry", records=rows[place : place + 256])
    measured = stopwatch.stop(len(rows))
    await writer.close()
    return measured


def measure() -> list[Figure]:
    """Drain, then keep up, then the baselines."""
    with running_servers() as servers:
        database, other = (asyncio.run(servers.databases.create(PACKAGE)) for _ in range(2))
        seed_file = servers.bus.seed_file(SERVICE)
        for first in range(0, EVENTS, PUBLISHED_AT_ONCE):
            some = messages(first, min(PUBLISHED_AT_ONCE, EVENTS - first))
            on_one_core(publish_bare, servers.bus.url, seed_file, some)
        with service(servers, database) as process:
            drain, seen = drained(process, database, EVENTS)
            published, used, behind = paced(servers, process, database, EVENTS)
        copied = on_one_core(copy_rows, database.service, other.service, 50_000)
        asyncio.run(servers.bus.reset())
        on_one_core(publish_bare, servers.bus.url, seed_file, messages(0, 20_000))
        bare = on_one_core(consume_bare, servers.bus.url, servers.bus.seed_file("audit-log"), 20_000)
    rate = (
        f"at {published.per_second:,.0f} events/s, {len(behind):,} entries; "
        f"the service used {used / published.wall_seconds:.0%} of its core"
    )
    p99 = behind[int(0.99 * len(behind))]
    return [
        Figure("audit ingest", drain.per_second, "entries/s", "COPY, same table", copied.per_second, goal=GOAL,
               note=f"wall time, one core, {drain.events:,} entries, checkpoint included"),
        Figure("audit ingest, per CPU second", drain.per_cpu_second, "entries/s", "bare pull", bare.per_cpu_second,
               goal=GOAL, note="of the service's process"),
        Figure("audit ingest, memory", seen.peak_bytes / 1e6, "MB", "", 0, goal=MEMORY_GOAL_MB, less_is_better=True,
               note=f"peak over {EVENTS:,} entries"),
        Figure("checkpoint behind publishing, p99", p99, "ms", "", 0, goal=LAG_GOAL_MS, less_is_better=True, note=rate),
        Figure("checkpoint behind publishing, p50", behind[len(behind) // 2], "ms", "", 0, note=rate),
    ]  # fmt: skip
