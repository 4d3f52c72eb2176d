"""The system without its services: servers, preparation, the lock, the files, and what a kill -9 leaves."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest
import pytest_asyncio

from yoyaku.embedded.connection import as_json, read_connection
from yoyaku.embedded.data_lock import DataInUseError, holder_of
from yoyaku.embedded.processes import (
    GATEWAY,
    NATS,
    OTLP_ENDPOINT,
    POSTGRES,
    SERVICE_PROCESSES,
    TELEMETRY_STORE,
    Surroundings,
    environment_of,
)
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.embedded.status import examine
from yoyaku.embedded.system import System, SystemOptions, start_system
from yoyaku.testkit.servers import make_scratch_folder

pytestmark = [pytest.mark.postgres, pytest.mark.nats, pytest.mark.requirement("DL-01")]

RUNNER = """
import asyncio, sys
import asyncpg
from pathlib import Path
from yoyaku.embedded.system import SystemOptions, start_system

async def main():
    options = SystemOptions(Path(sys.argv[1]), services=(), fsync=False)
    async with start_system(options.data_dir, options=options) as system:
        settings = system.postgres.admin_settings.model_copy(update={"database": "booking"})
        connection = await asyncpg.connect(**settings.connect_arguments("test"))
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        print(system.connection().model_dump_json(), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def folder():
    made = make_scratch_folder()
    yield made
    shutil.rmtree(made)


def plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != OTLP_ENDPOINT}


@pytest.fixture
def options(folder):
    return SystemOptions(folder / "data", services=(), fsync=False, environment=plain())


@pytest.fixture
def other_process(folder):
    """A system that another process runs, and what it says of itself."""
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(folder / "data")], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    connection = json.loads(runner.stdout.readline())
    family = psutil.Process(runner.pid).children(recursive=True)
    yield runner, connection
    runner.kill()
    runner.wait()
    psutil.wait_procs(family, timeout=30)
    runner.stdout.close()


async def number_kept(system: System) -> object:
    settings = system.postgres.admin_settings.model_copy(update={"database": "booking"})
    connection = await asyncpg.connect(**settings.connect_arguments("test"))
    try:
        return await connection.fetchval("SELECT number FROM kept")
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="module")
async def running(scratch_folder):
    """A system without services that several tests look at."""
    options = SystemOptions(scratch_folder / "running" / "data", services=(), fsync=False, environment=plain())
    async with start_system(options.data_dir, options=options) as system:
        yield system


async def test_it_prepares_databases_and_streams(running):
    found = await examine(running.connection())
    assert found.outboxes == dict.fromkeys(["booking", "audit-log", "security-detector", "backup-coordinator"], 0)
    assert "security-detector_identity" in found.consumers
    assert found.healthy


async def test_killed_servers_come_back_at_the_same_address(running):
    before = running.connection()
    for name in (POSTGRES, NATS, TELEMETRY_STORE):
        running.kill(name)
        await running.wait_ready(name)
    found = await examine(running.connection())
    assert [one.restarts for one in found.processes] == [1, 1, 1]
    assert found.healthy
    assert running.connection().nats_url == before.nats_url
    assert running.connection().postgres_port == before.postgres_port


async def test_how_to_reach_it_is_written_for_its_owner_only_and_without_secrets(running):
    file = running.data_dir / "connection.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = file.read_text()
    for secret in running.secrets.folder.iterdir():
        assert secret.read_text().strip() not in told
    connection = read_connection(running.data_dir)
    assert connection is not None
    assert connection.nats_seed_files["operator"].exists()
    assert connection.telemetry_url is not None


async def test_a_second_system_on_the_same_data_is_told_who_holds_it(running):
    options = SystemOptions(running.data_dir, services=())
    with pytest.raises(DataInUseError) as refusal:
        async with start_system(options.data_dir, options=options):
            pass
    assert f"process {os.getpid()} " in str(refusal.value)
    assert running.gateway_url.rpartition(":")[2] in str(refusal.value)


def test_nothing_is_left_running_when_it_is_killed_dash_nine_and_the_next_start_finds_the_data(options, other_process):
    runner, connection = other_process
    family = psutil.Process(runner.pid).children(recursive=True)
    assert {one["name"] for one in connection["processes"]} == {POSTGRES, NATS, TELEMETRY_STORE}
    assert len(family) >= 3
    runner.kill()
    runner.wait()
    psutil.wait_procs(family, timeout=60)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert holder_of(options.data_dir) is None
    again = asyncio.run(_started_with_a_collector_of_the_users_own(options))
    for address in ("nats_url", "postgres_port", "gateway_url"):
        assert again[address] == connection[address]
    assert read_connection(options.data_dir) is None


async def _started_with_a_collector_of_the_users_own(options: SystemOptions) -> dict[str, object]:
    collector = "http://127.0.0.1:1"
    changed = replace(options, environment={**options.environment, OTLP_ENDPOINT: collector})
    async with start_system(options.data_dir, options=changed) as system:
        assert system.supervisor.processes[POSTGRES].restarts == 0
        assert TELEMETRY_STORE not in system.process_names
        assert system.telemetry_url is None
        assert system.around.otlp_endpoint == collector
        assert await number_kept(system) == 7
        return as_json(system.connection())


def test_no_environment_of_a_service_holds_a_secret_and_each_knows_its_own_only(tmp_path):
    secrets = SecretsFolder(tmp_path / "secrets")
    around = Surroundings(
        data_dir=tmp_path,
        postgres_host="127.0.0.1",
        postgres_port=1,
        postgres_bin_dir=Path("/bin"),
        nats_url="nats://127.0.0.1:2",
        gateway_host="127.0.0.1",
        gateway_port=3,
        health_ports={process.name: 4 for process in SERVICE_PROCESSES},
        otlp_endpoint="http://127.0.0.1:5",
        overrides={"SECURITY_DETECTOR_BLOCK_SECONDS": "2"},
    )
    environments = {process.name: environment_of(process, around, secrets) for process in SERVICE_PROCESSES}
    values = [value for environment in environments.values() for value in environment.values()]
    for secret in secrets.folder.iterdir():
        assert secret.read_text().strip() not in values
    assert environments["audit-log"]["AUDIT_LOG_DATABASE__USER"] == "audit_service"
    assert environments["audit-log"]["AUDIT_LOG_NATS__NKEY_SEED_FILE"].endswith("/audit-log.nk")
    assert environments[GATEWAY]["BOOKING_HTTP_PORT"] == "3"
    assert environments["security-detector"]["SECURITY_DETECTOR_BLOCK_SECONDS"] == "2"
    assert "jwt" not in " ".join(environments["audit-log"].values())
