"""Bring a service's database to the state its code needs: Alembic over SQL files, run as the owner role.

Invariant: a run is one transaction under an advisory lock, so two migrators at once are safe and a failed run leaves
nothing behind. Alembic's revisions are made in memory, one for each SQL file; there are no Python revision files.
Statements that cannot run inside a transaction (CREATE INDEX CONCURRENTLY) are therefore not for migrations.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import asyncpg
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from loguru import logger
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from yoyaku.postgres.errors import MigrationFailedError, MigrationFileError, PhaseOrderError, map_error, mapped_errors
from yoyaku.postgres.migrations import SELECT_APPLIED, MigrationFile, check_head, pending_migrations, read_migrations
from yoyaku.postgres.pool import Connection as PostgresConnection
from yoyaku.postgres.pool import connected_pool
from yoyaku.postgres.settings import PostgresSettings

__all__ = ["check_head", "migrate"]

_ADVISORY_LOCK_KEY: Final = 0x596F79616B75  # the letters of "Yoyaku"

_VERSION_TABLE: Final = "alembic_version"

_CREATE_APPLIED: Final = text("""
    CREATE TABLE IF NOT EXISTS applied_migrations (
        revision text PRIMARY KEY,
        file_name text NOT NULL,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""")

_INSERT_APPLIED: Final = text(
    "INSERT INTO applied_migrations (revision, file_name, sha256) VALUES (:revision, :file_name, :sha256)"
)

_ROLE_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


async def migrate(
    settings_of_owner: PostgresSettings,
    package: str,
    phase: Literal["pre", "post", "all"] = "all",
    *,
    service_role: str | None = None,
) -> list[str]:
    """Apply the pending files of `phase` in order and return their names, oldest first.

    Waits for the database as `connected_pool` does. `service_role` defaults to the owner's name with `_service` in
    place of `_owner`. A DDL statement waits for a lock at most `lock_timeout_seconds`; how long it runs is not limited.
    Raises MigrationFileError, EditedMigrationError, PhaseOrderError, MigrationFailedError, DatabaseUnavailableError.
    """
    role = service_role or _service_role_of(settings_of_owner.user)
    files = read_migrations(package)
    await _wait_for(settings_of_owner)
    engine = _engine(settings_of_owner, package)
    try:
        with mapped_errors():
            async with engine.begin() as connection:
                names = await connection.run_sync(
                    _run, files, phase, role, lock_timeout_seconds=settings_of_owner.lock_timeout_seconds
                )
    except DBAPIError as exc:
        mapped = map_error(exc.orig.__cause__) if exc.orig and exc.orig.__cause__ else None
        if mapped is None:
            raise
        raise mapped from exc
    finally:
        await engine.dispose()
    for name in names:
        logger.bind(database=settings_of_owner.database, file=name).info("migration applied")
    return names


async def _wait_for(settings: PostgresSettings) -> None:
    one = settings.model_copy(update={"pool_min": 1, "pool_max": 1})
    async with connected_pool(one, application_name="yoyaku-migrate"):
        pass


def _engine(settings: PostgresSettings, package: str) -> AsyncEngine:
    unlimited = settings.model_copy(
        update={
            "statement_timeout_seconds": 0.0,
            "lock_timeout_seconds": 0.0,
            "idle_in_transaction_timeout_seconds": 0.0,
            "transaction_timeout_seconds": 0.0,
        }
    )
    arguments = unlimited.connect_arguments(f"yoyaku-migrate {package}")

    async def connect() -> PostgresConnection:
        return await asyncpg.connect(**arguments)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def _run(
    connection: Connection,
    files: Sequence[MigrationFile],
    phase: Literal["pre", "post", "all"],
    service_role: str,
    *,
    lock_timeout_seconds: float,
) -> list[str]:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK_KEY})
    connection.execute(
        text("SELECT set_config('lock_timeout', :value, true)").bindparams(
            bindparam("value", f"{round(lock_timeout_seconds * 1000)}ms")
        )
    )
    connection.execute(_CREATE_APPLIED)
    applied = connection.execute(text(SELECT_APPLIED)).mappings().all()
    wanted = _wanted(pending_migrations(files, [dict(row) for row in applied]), phase)
    if wanted:
        _upgrade(connection, files, wanted, service_role)
    return [file.file_name for file in wanted]


def _wanted(pending: Sequence[MigrationFile], phase: Literal["pre", "post", "all"]) -> list[MigrationFile]:
    """Return the pending files up to the first of the other phase; none of the asked phase may hide behind that one."""
    if phase == "all":
        return list(pending)
    wanted: list[MigrationFile] = []
    blocked_by: MigrationFile | None = None
    for file in pending:
        if file.phase != phase:
            blocked_by = blocked_by or file
        elif blocked_by is not None:
            raise PhaseOrderError(file.file_name, blocked_by.file_name)
        else:
            wanted.append(file)
    return wanted


def _upgrade(
    connection: Connection, files: Sequence[MigrationFile], wanted: Sequence[MigrationFile], service_role: str
) -> None:
    by_revision = {file.revision: file for file in files}
    scripts = _script_directory(files)
    target = wanted[-1].revision

    def steps(current: str | tuple[str, ...], _: MigrationContext) -> list[Any]:
        return list(scripts._upgrade_revs(target, current))  # type: ignore[arg-type]

    def on_apply(*, ctx: MigrationContext, step: Any, heads: Any, run_args: Mapping[str, Any]) -> None:
        del ctx, heads, run_args
        file = by_revision[step.up_revision_id]
        connection.execute(
            _INSERT_APPLIED, {"revision": file.revision, "file_name": file.file_name, "sha256": file.sha256}
        )

    context = MigrationContext.configure(
        connection=connection,
        opts={
            "fn": steps,
            "version_table": _VERSION_TABLE,
            "on_version_apply": (on_apply,),
            "script": scripts,
        },
    )
    context.run_migrations(connection=connection, by_revision=by_revision, service_role=service_role)
    for table in (_VERSION_TABLE, "applied_migrations"):
        connection.execute(text(f'GRANT SELECT ON {table} TO "{service_role}"'))


def _script_directory(files: Sequence[MigrationFile]) -> ScriptDirectory:
    """Return Alembic's directory of revisions, made of the SQL files in a straight line."""
    directory = ScriptDirectory(Path(__file__).parent)  # it insists on a folder; nothing is read from it
    scripts: list[Script] = []
    previous: str | None = None
    for file in files:
        scripts.append(Script(_revision_module(file, previous), file.revision, file.file_name))
        previous = file.revision
    directory.revision_map = RevisionMap(lambda: scripts)
    return directory


def _revision_module(file: MigrationFile, previous: str | None) -> ModuleType:
    def upgrade(*, connection: Connection, by_revision: Mapping[str, MigrationFile], service_role: str) -> None:
        _execute(connection, by_revision[file.revision], service_role)

    module = ModuleType(file.file_name.removesuffix(".sql"), file.file_name)
    vars(module).update(revision=file.revision, down_revision=previous, upgrade=upgrade)
    return module


def _execute(connection: Connection, file: MigrationFile, service_role: str) -> None:
    sql = file.sql_for(service_role)
    adapted: Any = connection.connection.dbapi_connection
    try:
        adapted.run_async(lambda driver: driver.execute(sql))
    except asyncpg.PostgresError as exc:
        position = getattr(exc, "position", None)
        line = sql.count("\n", 0, int(position) - 1) + 1 if position else None
        raise MigrationFailedError(file.file_name, line, str(exc)) from exc


def _service_role_of(owner: str) -> str:
    role = owner.removesuffix("_owner") + "_service"
    if not owner.endswith("_owner") or not _ROLE_NAME.fullmatch(role):
        raise MigrationFileError(owner, "is not an owner role (<database>_owner); name the service role")
    return role
