"""Fresh databases for tests: migrated once a package into a template, then copied for each test that asks.

Invariant: a test never sees rows, roles' rights or sequences that another test left.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
from pydantic import SecretStr

from yoyaku.postgres.cluster import DatabaseSpec, bootstrap_cluster
from yoyaku.postgres.migrate import migrate
from yoyaku.postgres.settings import PostgresSettings

DATABASE_OF_PACKAGE: Mapping[str, str] = {
    "yoyaku.booking": "booking",
    "yoyaku.audit_log": "audit",
    "yoyaku.security_detector": "security",
    "yoyaku.backup_coordinator": "backup",
}
"""The name from which a package's roles are made, where it is not the last part of the package's own name."""

FURTHER_ROLES_OF_PREFIX: Mapping[str, tuple[str, ...]] = {
    "audit": ("sealer", "keys"),
    "scratch": ("sealer", "keys"),
}
"""Roles beside owner and service, by the name from which roles are made; `scratch` takes any package's migrations."""


@dataclass(frozen=True, slots=True)
class Database:
    """One fresh database, seen by its owner (migrations) and by the service (least privilege)."""

    name: str
    owner: PostgresSettings
    service: PostgresSettings
    admin: PostgresSettings

    def as_role(self, role: str) -> PostgresSettings:
        """Return the settings of a further role, such as `sealer`."""
        return self.service.model_copy(update={"user": f"{self.service.user.removesuffix('_service')}_{role}"})


@dataclass(slots=True)
class DatabaseFactory:
    """Makes databases on one server and drops them."""

    admin: PostgresSettings
    password: SecretStr
    _templates: dict[str, str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def create(self, package: str | None = None) -> Database:
        """Return a fresh database at the head of `package`'s migrations; empty but for its roles without one."""
        prefix = _prefix(package)
        name = f"test_{prefix}_{next(self._numbers)}"
        template = await self._template(package) if package else None
        if template is not None:
            await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{prefix}_owner"')
        await self._bootstrap(name, prefix)
        return self._described(name, prefix)

    async def drop(self, database: Database) -> None:
        """Drop it, ending the sessions that still use it."""
        await self._execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    async def _template(self, package: str) -> str:
        if package not in self._templates:
            prefix = _prefix(package)
            name = f"template_{package.replace('.', '_')}"
            await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await self._bootstrap(name, prefix)
            await migrate(self._described(name, prefix).owner, package)
            self._templates[package] = name
        return self._templates[package]

    async def _bootstrap(self, name: str, prefix: str) -> None:
        further = tuple(f"{prefix}_{role}" for role in FURTHER_ROLES_OF_PREFIX.get(prefix, ()))
        spec = DatabaseSpec(
            name=name, owner_role=f"{prefix}_owner", service_role=f"{prefix}_service", further_roles=further
        )
        passwords = dict.fromkeys(spec.roles, self.password.get_secret_value())
        await bootstrap_cluster(self.admin, [spec], passwords)

    def _described(self, name: str, prefix: str) -> Database:
        return Database(
            name,
            owner=self._settings(name, f"{prefix}_owner"),
            service=self._settings(name, f"{prefix}_service"),
            admin=self.admin.model_copy(update={"database": name}),
        )

    def _settings(self, database: str, user: str) -> PostgresSettings:
        return PostgresSettings(
            host=self.admin.host, port=self.admin.port, database=database, user=user, password=self.password
        )

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(**self.admin.connect_arguments("testkit"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _prefix(package: str | None) -> str:
    if package is None:
        return "scratch"
    return DATABASE_OF_PACKAGE.get(package, package.rpartition(".")[2])
