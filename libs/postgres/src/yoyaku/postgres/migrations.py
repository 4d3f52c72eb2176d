"""The SQL files of a package's `migrations` folder, and the check that a database has seen them.

Invariant: a file is known by its number; once applied, its bytes (included SQL expanded) never change, which a SHA-256
stored beside it proves. This module imports neither Alembic nor SQLAlchemy, so that services stay small.

Names are `NNNN_(pre|post)_what.sql`: `pre` files run before new code is started, `post` files after the old is gone.
A line `-- include: some.package:sql/file.sql` is replaced by that file, and `{service_role}` by the service's role.
`{role:sealer}` is a further role of the same database: the service's name with `_sealer` in place of `_service`.
"""

import hashlib
import importlib.resources
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import asyncpg

from yoyaku.postgres.errors import (
    EditedMigrationError,
    MigrationFileError,
    MigrationsNotAtHeadError,
    mapped_errors,
)
from yoyaku.postgres.pool import Pool

Phase = Literal["pre", "post"]

APPLIED_TABLE: Final = "applied_migrations"
SERVICE_ROLE_PLACEHOLDER: Final = "{service_role}"

SELECT_APPLIED: Final = "SELECT revision, file_name, sha256 FROM applied_migrations ORDER BY revision"

_FILE_NAME: Final = re.compile(r"(?P<revision>\d{4})_(?P<phase>pre|post)_(?P<what>[a-z0-9_]+)\.sql")
_FURTHER_ROLE: Final = re.compile(r"\{role:(?P<role>[a-z]+)\}")
_INCLUDE: Final = re.compile(r"^--[ \t]*include:[ \t]*(?P<package>[\w.]+):(?P<path>[\w./-]+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One migration with its includes expanded."""

    revision: str
    phase: Phase
    file_name: str
    sql: str
    sha256: str

    def sql_for(self, service_role: str) -> str:
        """Return the SQL with the names of the roles in place of the placeholders."""
        prefix = service_role.removesuffix("_service")
        named = self.sql.replace(SERVICE_ROLE_PLACEHOLDER, service_role)
        return _FURTHER_ROLE.sub(lambda found: f"{prefix}_{found['role']}", named)


class AppliedRow(Protocol):
    """A row of the table of applied migrations."""

    def __getitem__(self, key: str, /) -> str: ...


def read_migrations(package: str) -> list[MigrationFile]:
    """Return the package's migrations by number. Raises MigrationFileError for a bad name, number or include."""
    folder = importlib.resources.files(package) / "migrations"
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    files = [_read(name, (folder / name).read_text(encoding="utf-8")) for name in names]
    for earlier, later in itertools.pairwise(files):
        if earlier.revision == later.revision:
            raise MigrationFileError(later.file_name, f"has the same number as {earlier.file_name}")
    return files


def pending_migrations(files: Sequence[MigrationFile], applied: Sequence[AppliedRow]) -> list[MigrationFile]:
    """Return the files that are not applied yet, oldest first.

    Raises EditedMigrationError when an applied file differs or a pending one is older than an applied one.
    Applied revisions newer than every file are left alone: they belong to a newer release of the same service.
    """
    by_revision = {row["revision"]: row for row in applied}
    newest_applied = max(by_revision, default="")
    pending = []
    for file in files:
        row = by_revision.get(file.revision)
        if row is None:
            if file.revision < newest_applied:
                raise EditedMigrationError(file.file_name, f"appeared before the applied {newest_applied}")
            pending.append(file)
        elif row["sha256"] != file.sha256 or row["file_name"] != file.file_name:
            raise EditedMigrationError(row["file_name"], "was changed after it was applied")
    known = {file.revision for file in files}
    newest_known = max(known, default="")
    for revision, row in by_revision.items():
        if revision not in known and revision < newest_known:
            raise EditedMigrationError(row["file_name"], "was removed after it was applied")
    return pending


async def check_head(pool: Pool, package: str) -> None:
    """Return when the database has seen every `pre` file of the package, unchanged.

    `post` files may be outstanding while old and new code run side by side, and a newer release may be ahead.
    Raises MigrationsNotAtHeadError, EditedMigrationError, DatabaseUnavailableError.
    """
    files = read_migrations(package)
    needed = [file for file in files if file.phase == "pre"]
    if not needed:
        return
    applied = await _applied(pool)
    pending = pending_migrations(files, applied)
    if any(file.phase == "pre" for file in pending):
        current = applied[-1]["file_name"] if applied else None
        raise MigrationsNotAtHeadError(current, needed[-1].file_name)


async def _applied(pool: Pool) -> Sequence[AppliedRow]:
    with mapped_errors():
        try:
            return await pool.fetch(SELECT_APPLIED)
        except asyncpg.UndefinedTableError:
            return []


def _read(name: str, text: str) -> MigrationFile:
    match = _FILE_NAME.fullmatch(name)
    if match is None:
        raise MigrationFileError(name, "is not named NNNN_pre_what.sql or NNNN_post_what.sql")
    sql = _INCLUDE.sub(lambda include: _included(name, include), text)
    phase: Phase = "pre" if match["phase"] == "pre" else "post"
    return MigrationFile(match["revision"], phase, name, sql, hashlib.sha256(sql.encode()).hexdigest())


def _included(name: str, include: re.Match[str]) -> str:
    package, path = include["package"], include["path"]
    try:
        text = (importlib.resources.files(package) / path).read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError) as exc:
        raise MigrationFileError(name, f"includes {package}:{path}, which does not exist") from exc
    if _INCLUDE.search(text):
        raise MigrationFileError(name, f"includes {package}:{path}, which includes another file")
    return f"-- from {package}:{path}\n{text}"
