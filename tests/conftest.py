"""Makes every run of the tests the same: no setting of the person's own reaches a service under test."""

import os

import pytest

from yoyaku.embedded import ports

OURS = ("BOOKING_", "AUDIT_LOG_", "SECURITY_DETECTOR_", "BACKUP_COORDINATOR_", "OTEL_")
LONGEST = ("tests/system/", "tests/security_detector/test_main.py", "tests/libs/observability/test_setup.py")


def pytest_configure(config: pytest.Config) -> None:
    """Take settings of the services and of telemetry out of the environment, before anything reads them."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    _take_own_share_of_the_ports()


def _take_own_share_of_the_ports() -> None:
    """Of several processes that run tests at once, none chooses a port that another has chosen but not yet opened."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % processes
    own = ports.choosable_ports()[number::processes]
    ports.choosable_ports = lambda: own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that of two processes none waits long for the other at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
