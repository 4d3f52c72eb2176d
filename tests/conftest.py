"""Makes every run of the tests the same: no setting of the person's own reaches a service under test."""

import os

import pytest

OURS = ("BOOKING_", "AUDIT_LOG_", "SECURITY_DETECTOR_", "BACKUP_COORDINATOR_", "OTEL_")


def pytest_configure(config: pytest.Config) -> None:
    """Take settings of the services and of telemetry out of the environment, before anything reads them."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
