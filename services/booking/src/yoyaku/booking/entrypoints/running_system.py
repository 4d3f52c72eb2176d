"""Where a command finds the database: in the environment, else in what `yoyaku up` left beside its data."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from yoyaku.booking.settings import DatabaseSettings, KeySettings
from yoyaku.lifecycle.configuration import load
from yoyaku.postgres.errors import PostgresError
from yoyaku.postgres.settings import PostgresSettings

CONNECTION_FILE: Final = "connection.json"
_DATABASE: Final = "booking"
_ROLE: Final = "booking_service"
_VARIABLES: Final = "BOOKING_DATABASE__"
_SEALING_KEY: Final = "key-encryption.key"
_PATIENCE_SECONDS: Final = 5.0
"""Somebody sits in front of a command; a server may wait longer."""


def database_settings(data: Path) -> DatabaseSettings:
    """Return how to reach the database; the environment wins over the running system of the data folder.

    Exits with 2 and a line a variable when neither says it.
    """
    known = _nearby(data)
    return load(DatabaseSettings) if known is None else DatabaseSettings(database=_database_of(known))


def key_settings(data: Path) -> KeySettings:
    """Return how to reach the database and the key that seals the signing keys in it, found in the same way."""
    known = _nearby(data)
    if known is None:
        return load(KeySettings)
    database = _database_of(known)
    assert database.password_file is not None
    return KeySettings(database=database, key_encryption_key_file=database.password_file.with_name(_SEALING_KEY))


@contextmanager
def refusals_told() -> Iterator[None]:
    """Say in one line on standard error what the database refused, and exit with 2."""
    try:
        yield
    except (PostgresError, asyncpg.PostgresError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  a command speaks to its terminal
        sys.exit(2)


def _nearby(data: Path) -> dict[str, Any] | None:
    if any(name.startswith(_VARIABLES) for name in os.environ):
        return None
    try:
        known = json.loads((data / CONNECTION_FILE).read_bytes())
        _database_of(known)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(known)


def _database_of(connection: dict[str, Any]) -> PostgresSettings:
    return PostgresSettings(
        host=connection["postgres_host"],
        port=connection["postgres_port"],
        database=_DATABASE,
        user=_ROLE,
        password_file=Path(connection["password_files"][_ROLE]),
        start_timeout_seconds=_PATIENCE_SECONDS,
    )
