"""Runs the detector: `python -m yoyaku.security_detector`, or `... migrate` for its database."""

import sys
from functools import partial
from typing import Final

from yoyaku.lifecycle.command import migrate_database, obey, usage_of
from yoyaku.lifecycle.configuration import load
from yoyaku.lifecycle.process import run_process
from yoyaku.security_detector.entrypoints.detector import SERVICE
from yoyaku.security_detector.settings import MigrationSettings, SecurityDetectorSettings
from yoyaku.security_detector.wiring import PACKAGE, run

USAGE: Final = usage_of(PACKAGE, does="judges sign-ins and imposes blocks")


def serve() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = load(SecurityDetectorSettings)
    run_process(SERVICE, partial(run, settings), observability=settings.observability)


def migrate() -> None:
    """Bring the database to the state this version needs."""
    migrate_database(load(MigrationSettings).owner_database, PACKAGE)


if __name__ == "__main__":
    obey(sys.argv[1:], usage=USAGE, serve=serve, migrate=migrate)
