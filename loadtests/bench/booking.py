"""Booking: reservations per second over HTTP, telemetry and authentication on (PF-02).

Baseline: `pgbench -M prepared` sending the statements of one booking, the same text, to the same server with fsync on,
at the same number of connections. Every booking takes a slot that nobody else has, in either. Rounds alternate, and the
median counts, because the machine is rarely idle.
"""

import asyncio
import os
import re
import statistics
import subprocess
import tempfile

from loadtests.bench.figure import Figure
from loadtests.bench.servers import PRODUCTION_SAMPLE_RATIO, Servers, running_servers
from loadtests.bench.stage import (
    CONNECTIONS,
    LIMIT_SECONDS,
    ROUNDS,
    SECONDS,
    WORKER,
    Stage,
    furnish,
    gateway,
    load,
    make_admin,
    process,
)

from yoyaku.booking.adapters.postgres.reservations import PLACE_WITH_EVENT
from yoyaku.embedded.unprivileged import wheel_bin_dir

GOAL_RATIO = 0.5


def measure() -> list[Figure]:
    """Measure at each number of connections; then once with every trace recorded and once with the worker beside."""
    figures: list[Figure] = []
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.booking"))
        asyncio.run(make_admin(database))
        with gateway(servers, database, PRODUCTION_SAMPLE_RATIO) as port:
            stage = furnish(servers, database, port)
            figures += [compared(stage, connections) for connections in CONNECTIONS]
        baseline = figures[-1].baseline
        with gateway(servers, database, 1.0) as port:
            stage.port = port
            figures.append(alone(stage, "with every trace recorded", baseline))
        figures.append(beside_the_relay(servers, baseline))
    return figures


def beside_the_relay(servers: Servers, baseline: float) -> Figure:
    """Measure on a fresh database, whose outbox holds nothing but what is booked now."""
    database = asyncio.run(servers.databases.create("yoyaku.booking"))
    asyncio.run(make_admin(database))
    ratio = PRODUCTION_SAMPLE_RATIO
    with gateway(servers, database, ratio) as port, process(servers, database, 0, WORKER, ratio):
        return alone(furnish(servers, database, port), "with the relay publishing beside", baseline)


def compared(stage: Stage, connections: int) -> Figure:
    """Alternate both and return the medians."""
    booked, bare = [], []
    for _ in range(ROUNDS):
        booked.append(load(stage, connections))
        bare.append(pgbench(stage, connections))
    value = statistics.median(result.per_second for result in booked)
    typical = min(booked, key=lambda result: abs(result.per_second - value))
    return Figure(
        name=f"bookings over HTTP, {connections} connections",
        value=value,
        unit="bookings/s",
        baseline_name="pgbench -M prepared",
        baseline=statistics.median(bare),
        goal_ratio=GOAL_RATIO,
        note=f"{PRODUCTION_SAMPLE_RATIO:.0%} of traces, p95 {typical.p95_ms:.0f} ms, CPU: {typical.cost}",
    )


def alone(stage: Stage, what: str, baseline: float) -> Figure:
    """Measure at the larger number of connections, beside the baseline taken before."""
    connections = CONNECTIONS[-1]
    value = statistics.median(load(stage, connections).per_second for _ in range(ROUNDS))
    return Figure(
        f"bookings over HTTP, {connections} connections, {what}", value, "bookings/s", "pgbench -M prepared", baseline
    )


def pgbench(stage: Stage, connections: int) -> float:
    """Return the transactions per second of the same SQL."""
    settings = stage.database.service
    assert settings.password is not None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(booking_script(stage))
        script.flush()
        command = [
            str(wheel_bin_dir() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={connections}",
            "--jobs=2", f"--time={SECONDS}", f"--file={script.name}", f"--define=slot={stage.next_slots()}",
            "--host", settings.host,
            "--port", str(settings.port),
            "--username", settings.user, settings.database,
        ]  # fmt: skip
        environment = {**os.environ, "PGPASSWORD": settings.password.get_secret_value()}
        told = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
    found = re.search(r"tps = ([0-9.]+)", told.stdout)
    if told.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {told.stderr[:500]}")
    return float(found[1])


def booking_script(stage: Stage) -> str:
    """Write the statements of one booking for pgbench: each client books slot after slot in a room of its own."""
    starts_at = "(timestamptz '2040-01-01 00:00Z' + :slot * interval '30 minutes')"
    ends_at = f"({starts_at} + interval '30 minutes')"
    person = "(SELECT id FROM person WHERE user_id = 'p0')"
    statement = with_values(
        PLACE_WITH_EVENT,
        ["uuidv7()", ":room::int", person, starts_at, ends_at, starts_at, ends_at, "'Weekly review'", "'confirmed'",
         "1", "now()", "1", "'127.0.0.1'",
         ":shard", "uuidv7()", "'booking.reservation.confirmed.v1'", "repeat(' ', 600) || '{}'",
         "convert_to(repeat('x', 250), 'UTF8')", "'00-00000000000000000000000000000000-0000000000000000-00'"],
    )  # fmt: skip
    return f"""\\set slot :slot + 1
\\set room {min(stage.rooms)} + :client_id
\\set shard random(0, 63)
{flat(statement)};
"""


def with_values(statement: str, values: list[str]) -> str:
    """Put expressions where the parameters stand."""
    return re.sub(r"\$(\d+)", lambda found: f"({values[int(found[1]) - 1]})", statement)


def flat(statement: str) -> str:
    """Put a statement on one line."""
    return " ".join(statement.split())
