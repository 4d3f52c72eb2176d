"""Runs the backup coordinator: `python -m yoyaku.backup_coordinator`, or `... migrate` for its database."""

import sys
from functools import partial
from typing import Final

from yoyaku.backup_coordinator.settings import BackupCoordinatorSettings, MigrationSettings
from yoyaku.backup_coordinator.wiring import PACKAGE, SERVICE, run
from yoyaku.lifecycle.command import migrate_database, obey, usage_of
from yoyaku.lifecycle.configuration import load
from yoyaku.lifecycle.process import run_process

USAGE: Final = usage_of(PACKAGE, does="takes backups on schedule and when asked")


def serve() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = load(BackupCoordinatorSettings)
    run_process(SERVICE, partial(run, settings), observability=settings.observability)


def migrate() -> None:
    """Bring the database to the state this version needs."""
    migrate_database(load(MigrationSettings).owner_database, PACKAGE)


if __name__ == "__main__":
    obey(sys.argv[1:], usage=USAGE, serve=serve, migrate=migrate)
