"""Brings the database to the state that this code needs. Run as a process of its own: Alembic is heavy."""

import asyncio
from typing import Final

from yoyaku.backup_coordinator.settings import MigrationSettings
from yoyaku.postgres.migrate import migrate

PACKAGE: Final = "yoyaku.backup_coordinator"

if __name__ == "__main__":
    asyncio.run(migrate(MigrationSettings().owner_database, PACKAGE))
