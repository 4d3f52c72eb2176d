"""What differs from `yoyaku up` for the tests of this folder, and people who use the system over HTTP."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import pytest_asyncio

from yoyaku.embedded.system import System
from yoyaku.testkit.people import People


@pytest.fixture(scope="session")
def system_overrides() -> Mapping[str, str]:
    """Short blocks, so that a test sees one end."""
    return {"SECURITY_DETECTOR_BLOCK_SECONDS": "3"}


@pytest_asyncio.fixture(scope="session")
async def people(system: System) -> AsyncIterator[People]:
    assert system.admin is not None
    limits = httpx.Limits(max_connections=120, max_keepalive_connections=120)
    async with httpx.AsyncClient(base_url=system.gateway_url, timeout=30, limits=limits, trust_env=False) as http:
        yield People(system, http, system.admin.password.get_secret_value())
