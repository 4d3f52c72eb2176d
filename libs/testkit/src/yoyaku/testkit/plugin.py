"""The pytest plugin of this repository: servers, databases, the bus, a clock, and `--requirements`.

A test says what it needs by its fixtures; the markers `postgres`, `nats` and `system` follow from them, so that
`-m "not system"` works without anybody writing a marker. Servers start when the first test asks for one.
"""

import importlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from yoyaku.embedded.nats_server import EmbeddedNats
from yoyaku.embedded.postgres_server import SUPERUSER, EmbeddedPostgres
from yoyaku.embedded.processes import OTLP_ENDPOINT
from yoyaku.embedded.secrets import SecretsFolder
from yoyaku.embedded.system import System, SystemOptions, start_system
from yoyaku.embedded.unprivileged import delete_moved_data
from yoyaku.testkit.bus import Bus, accounts_for_tests
from yoyaku.testkit.clock import SetClock
from yoyaku.testkit.databases import Database, DatabaseFactory
from yoyaku.testkit.requirements import covered, print_coverage
from yoyaku.testkit.servers import Backend, NatsServer, PostgresServer, chosen_backend, make_scratch_folder
from yoyaku.testkit.waiting import eventually

MARKER_OF_FIXTURE = {"postgres_server": "postgres", "nats_server": "nats", "system": "system"}
TESTS_ROLE = "tests"
CONTAINERS = "yoyaku.testkit.containers"
"""Loaded only when it is chosen: it needs Docker, and a second to import."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--requirements`."""
    parser.addoption(
        "--requirements", action="store_true", help="print which tests cover which requirement, run none of them"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the servers its fixtures start."""
    for item in items:
        for fixture, marker in MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Print the requirements instead of running the tests, when asked to."""
    if not session.config.getoption("--requirements"):
        return None
    print_coverage(covered(session.items), sys.stdout)
    return True


@pytest.fixture(scope="session")
def backend() -> Backend:
    """Where servers come from: TEST_BACKEND=embedded (wheels) or containers."""
    return chosen_backend(os.environ)


@pytest.fixture(scope="session")
def scratch_folder() -> Iterator[Path]:
    """A folder of this test run that the servers' users can enter."""
    folder = make_scratch_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _moved_data_is_deleted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As root, data folders under `tmp_path` have PostgreSQL's files elsewhere: delete those too, at the very end."""
    yield
    delete_moved_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def test_secrets(scratch_folder: Path) -> SecretsFolder:
    """The generated passwords and nkeys of this test run."""
    return SecretsFolder(scratch_folder / "secrets")


@pytest.fixture(scope="session")
def postgres_server(backend: Backend, scratch_folder: Path, test_secrets: SecretsFolder) -> Iterator[PostgresServer]:
    """A running PostgreSQL 18, one for the whole run. A test that kills it must restart it."""
    password = test_secrets.password(SUPERUSER)
    if backend == "containers":
        container = importlib.import_module(CONTAINERS).ContainerPostgres(password).start()
        yield container
        container.destroy()
        return
    server = EmbeddedPostgres.start(scratch_folder, superuser_password=password, fsync=False)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def nats_server(backend: Backend, scratch_folder: Path, test_secrets: SecretsFolder) -> Iterator[NatsServer]:
    """A running NATS server with the real permissions, one for the whole run; `bus` brings it back when killed."""
    accounts = accounts_for_tests(test_secrets)
    if backend == "containers":
        container = importlib.import_module(CONTAINERS).ContainerNats(scratch_folder / "nats", accounts).start()
        yield container
        container.destroy()
        return
    server = EmbeddedNats.start(scratch_folder, accounts_config=accounts)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def database_factory(postgres_server: PostgresServer, test_secrets: SecretsFolder) -> DatabaseFactory:
    """Makes databases; use `database`, which also drops them, unless one must outlive the test."""
    return DatabaseFactory(postgres_server.admin_settings, test_secrets.password(TESTS_ROLE))


@pytest_asyncio.fixture
async def database(
    database_factory: DatabaseFactory, postgres_server: PostgresServer
) -> AsyncIterator[Callable[..., Awaitable[Database]]]:
    """Makes fresh databases, each at the head of the migrations of the package that is named, and drops them."""
    if not postgres_server.is_ready():
        postgres_server.restart()
    made: list[Database] = []

    async def create(package: str | None = None) -> Database:
        made.append(await database_factory.create(package))
        return made[-1]

    yield create
    if not postgres_server.is_ready():
        postgres_server.restart()
    for one in made:
        await database_factory.drop(one)


@pytest_asyncio.fixture
async def bus(nats_server: NatsServer, test_secrets: SecretsFolder) -> Bus:
    """The bus as after provisioning; `bus.settings_for("booking")` is how a service reaches it."""
    fresh = Bus(nats_server, test_secrets)
    await fresh.reset()
    return fresh


@pytest.fixture
def nats(bus: Bus) -> Bus:
    """The same as `bus`."""
    return bus


@pytest_asyncio.fixture
async def js(bus: Bus) -> AsyncIterator[JetStreamContext]:
    """JetStream of the fresh bus, signed in as the tester, who may do everything."""
    client = await bus.connect()
    yield client.jetstream()
    await client.close()


@pytest.fixture(scope="session")
def system_overrides() -> Mapping[str, str]:
    """Environment variables of the services that differ from `yoyaku up`; a conftest may say others."""
    return {}


@pytest_asyncio.fixture(scope="session")
async def system(scratch_folder: Path, system_overrides: Mapping[str, str]) -> AsyncIterator[System]:
    """All real processes as `yoyaku up` runs them, on servers from wheels whatever the backend, once for the run.

    A test that kills a process waits with `system.wait_ready` until it is back.
    """
    environment = {name: value for name, value in os.environ.items() if name != OTLP_ENDPOINT}
    options = SystemOptions(
        scratch_folder / "system",
        fsync=False,
        environment=environment,
        overrides=system_overrides,
    )
    async with start_system(options.data_dir, options=options) as running:
        yield running


@pytest.fixture
def clock() -> SetClock:
    """A clock that moves only when told to."""
    return SetClock()


@pytest.fixture(name="eventually", scope="session")
def eventually_fixture() -> Callable[..., Awaitable[Any]]:
    """`await eventually(check)` asks until the answer is yes; see `yoyaku.testkit.waiting`."""
    return eventually
