"""A whole system of real processes for the tests of this folder, and people who use it over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from yoyaku.embedded.system import System, start_system
from yoyaku.testkit.people import People


@pytest_asyncio.fixture(scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The whole system on real processes, one for all tests of this folder; who kills a part waits for it again."""
    folder: Path = tmp_path_factory.mktemp("system")
    overrides = {"BACKUP_COORDINATOR_SCHEDULE": "0 2 * * *", "SECURITY_DETECTOR_BLOCK_SECONDS": "3"}
    async with start_system(folder, fsync=False, workers=2, overrides=overrides) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def people(system: System) -> AsyncIterator[People]:
    assert system.admin is not None
    limits = httpx.Limits(max_connections=120, max_keepalive_connections=120)
    async with httpx.AsyncClient(base_url=system.gateway_url, timeout=30, limits=limits, trust_env=False) as http:
        yield People(system, http, system.admin.password.get_secret_value())
