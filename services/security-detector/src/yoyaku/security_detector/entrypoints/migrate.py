"""Brings the database `security` to the state the code needs, as its owner role; a process of its own."""

import asyncio

from yoyaku.postgres.migrate import migrate
from yoyaku.security_detector.settings import MigrationSettings


def main() -> None:
    """Apply what is pending."""
    asyncio.run(migrate(MigrationSettings().owner_database, "yoyaku.security_detector"))


if __name__ == "__main__":
    main()
