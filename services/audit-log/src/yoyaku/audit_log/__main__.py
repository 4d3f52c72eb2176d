"""Runs the audit log: `python -m yoyaku.audit_log`, or `... migrate` for its database."""

import sys
from functools import partial
from typing import Final

from yoyaku.audit_log.entrypoints.sequencer import SERVICE
from yoyaku.audit_log.settings import AuditLogSettings, MigrationSettings
from yoyaku.audit_log.wiring.sealing import check_archive
from yoyaku.audit_log.wiring.secrets import read_secrets
from yoyaku.audit_log.wiring.service import PACKAGE, run
from yoyaku.lifecycle.command import migrate_database, obey, usage_of
from yoyaku.lifecycle.configuration import load
from yoyaku.lifecycle.process import run_process

USAGE: Final = usage_of(PACKAGE, does="records every event")


def serve() -> None:
    """Run the service until SIGTERM or SIGINT."""
    settings = load(AuditLogSettings)
    check_archive(settings)
    run_process(SERVICE, partial(run, settings, read_secrets(settings)), observability=settings.observability)


def migrate() -> None:
    """Bring the database to the state this version needs."""
    migrate_database(load(MigrationSettings).owner_database, PACKAGE)


if __name__ == "__main__":
    obey(sys.argv[1:], usage=USAGE, serve=serve, migrate=migrate)
