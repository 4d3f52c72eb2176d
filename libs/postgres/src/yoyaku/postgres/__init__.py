"""Pool, transaction scope, roles, migrations and error mapping for PostgreSQL.

`yoyaku.postgres.migrate` and `yoyaku.postgres.cluster` are imported by their own names only: the first needs SQLAlchemy
and Alembic, which a running service does without.
"""

from yoyaku.postgres.errors import (
    ConstraintViolatedError,
    DatabaseUnavailableError,
    EditedMigrationError,
    LockTimeoutError,
    MigrationsNotAtHeadError,
    PostgresError,
    SerializationError,
    StatementTimeoutError,
    map_error,
    mapped_errors,
)
from yoyaku.postgres.migrations import check_head
from yoyaku.postgres.pool import Connection, Pool, connected_pool, wait_until_available
from yoyaku.postgres.settings import PostgresSettings
from yoyaku.postgres.transaction import transaction

__all__ = [
    "Connection",
    "ConstraintViolatedError",
    "DatabaseUnavailableError",
    "EditedMigrationError",
    "LockTimeoutError",
    "MigrationsNotAtHeadError",
    "Pool",
    "PostgresError",
    "PostgresSettings",
    "SerializationError",
    "StatementTimeoutError",
    "check_head",
    "connected_pool",
    "map_error",
    "mapped_errors",
    "transaction",
    "wait_until_available",
]
