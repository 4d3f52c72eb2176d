"""The system without its services: servers, preparation, the lock, the files, and what a kill -9 leaves."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from yoyaku.embedded.connection import read_connection
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
from pathlib import Path
from yoyaku.embedded.system import SystemOptions, start_system

async def main():
    options = SystemOptions(Path(sys.argv[1]), services=(), fsync=False)
    async with start_system(options.data_dir, options=options) as system:
        print(system.connection().model_dump_json(), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def folder():
    made = make_scratch_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def environment():
    return {name: value for name, value in os.environ.items() if name != OTLP_ENDPOINT}


@pytest.fixture
def options(folder, environment):
    return SystemOptions(folder / "data", services=(), fsync=False, environment=environment)


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


async def numbers(system: System, sql: str, database: str) -> object:
    settings = system.postgres.admin_settings.model_copy(update={"database": database})
    connection = await asyncpg.connect(**settings.connect_arguments("test"))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_prepares_databases_and_streams_and_a_second_start_keeps_them(options):
    async with start_system(options.data_dir, options=options) as system:
        found = await examine(system.connection())
        assert found.outboxes == dict.fromkeys(["booking", "audit", "security", "backup"], 0)
        assert "security-detector_identity" in found.consumers
        assert found.healthy
        await numbers(system, "CREATE TABLE kept AS SELECT 7 AS number", "booking")
        first = system.connection()
    assert read_connection(options.data_dir) is None
    async with start_system(options.data_dir, options=options) as system:
        assert await numbers(system, "SELECT number FROM kept", "booking") == 7
        again = system.connection()
    assert (again.nats_url, again.postgres_port, again.gateway_url) == (
        first.nats_url,
        first.postgres_port,
        first.gateway_url,
    )


async def test_killed_servers_come_back_at_the_same_address(options):
    async with start_system(options.data_dir, options=options) as system:
        before = system.connection()
        for name in (POSTGRES, NATS, TELEMETRY_STORE):
            system.kill(name)
            await system.wait_ready(name)
        found = await examine(system.connection())
        assert [one.restarts for one in found.processes] == [1, 1, 1]
        assert found.healthy
        assert system.connection().nats_url == before.nats_url
        assert system.connection().postgres_port == before.postgres_port


async def test_how_to_reach_it_is_written_for_its_owner_only_and_without_secrets(options):
    async with start_system(options.data_dir, options=options) as system:
        file = options.data_dir / "connection.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        told = file.read_text()
        for secret in system.secrets.folder.iterdir():
            assert secret.read_text().strip() not in told
        connection = read_connection(options.data_dir)
        assert connection is not None
        assert connection.nats_seed_files["operator"].exists()
        assert connection.telemetry_url is not None


async def test_a_collector_of_the_users_own_is_used_instead_of_the_store(options, environment):
    environment[OTLP_ENDPOINT] = "http://127.0.0.1:1"
    async with start_system(options.data_dir, options=options) as system:
        assert TELEMETRY_STORE not in system.process_names
        assert system.telemetry_url is None
        assert system.around.otlp_endpoint == "http://127.0.0.1:1"


async def test_a_second_system_on_the_same_data_is_told_who_holds_it(options, other_process):
    runner, connection = other_process
    with pytest.raises(DataInUseError) as refusal:
        async with start_system(options.data_dir, options=options):
            pass
    assert f"process {runner.pid} " in str(refusal.value)
    assert connection["gateway_url"].rpartition(":")[2] in str(refusal.value)


def test_nothing_is_left_running_when_it_is_killed_dash_nine_and_the_data_can_be_used_again(options, other_process):
    runner, connection = other_process
    family = psutil.Process(runner.pid).children(recursive=True)
    assert {one["name"] for one in connection["processes"]} == {POSTGRES, NATS, TELEMETRY_STORE}
    assert len(family) >= 3
    runner.kill()
    runner.wait()
    psutil.wait_procs(family, timeout=30)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert holder_of(options.data_dir) is None
    asyncio.run(_started(options))


async def _started(options: SystemOptions) -> None:
    async with start_system(options.data_dir, options=options) as system:
        assert system.supervisor.processes[POSTGRES].restarts == 0


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
