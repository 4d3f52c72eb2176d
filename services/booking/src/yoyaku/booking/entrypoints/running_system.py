"""Where a command finds the database: in the environment, else in what `yoyaku up` left beside its data."""

import json
import os
from pathlib import Path
from typing import Final

from yoyaku.booking.settings import DatabaseSettings
from yoyaku.lifecycle.configuration import load
from yoyaku.postgres.settings import PostgresSettings

CONNECTION_FILE: Final = "connection.json"
_DATABASE: Final = "booking"
_ROLE: Final = "booking_service"
_VARIABLES: Final = "BOOKING_DATABASE__"


def database_settings(data: Path) -> DatabaseSettings:
    """Return how to reach the database; the environment wins over the running system of the data folder.

    Exits with 2 and a line a variable when neither says it.
    """
    known = None if any(name.startswith(_VARIABLES) for name in os.environ) else _nearby(data)
    return load(DatabaseSettings) if known is None else DatabaseSettings(database=known)


def _nearby(data: Path) -> PostgresSettings | None:
    try:
        connection = json.loads((data / CONNECTION_FILE).read_bytes())
        return PostgresSettings(
            host=connection["postgres_host"],
            port=connection["postgres_port"],
            database=_DATABASE,
            user=_ROLE,
            password_file=Path(connection["password_files"][_ROLE]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
