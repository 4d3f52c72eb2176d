"""What differs from `yoyaku up` for the tests of this folder, and people who use the system over HTTP."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from yoyaku.embedded.system import System
from yoyaku.testkit.people import People, people_of


@pytest.fixture(scope="session")
def system_overrides() -> Mapping[str, str]:
    """Short blocks, so that a test sees one end."""
    return {"SECURITY_DETECTOR_BLOCK_SECONDS": "3"}


@pytest_asyncio.fixture(scope="session")
async def people(system: System) -> AsyncIterator[People]:
    async with people_of(system, connections=120) as people:
        yield people
