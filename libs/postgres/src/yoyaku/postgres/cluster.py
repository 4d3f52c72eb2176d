"""The roles and databases of a cluster, brought to what is declared, as often as one likes.

Invariant: PUBLIC may do nothing; each database is owned by its owner role, which runs migrations; its service role may
connect and use the schema, and gets every further right by name from a migration. No role reaches another's database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from yoyaku.postgres.errors import mapped_errors
from yoyaku.postgres.pool import Connection
from yoyaku.postgres.scram import matches, scram_verifier
from yoyaku.postgres.settings import PostgresSettings

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ADVISORY_LOCK_KEY: Final = 0x636C7573746572  # the letters of "cluster"
_ROLE_LIMITS: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
_SHARED_DATABASES: Final = ("postgres", "template1")


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """One service's database with its roles.

    `replication` adds `<name>_replication` for backups and WAL. `further_roles` are whole role names that may connect
    like the service; what they may do beyond, a migration says.
    """

    name: str
    owner_role: str
    service_role: str
    replication: bool = False
    further_roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for identifier in (self.name, self.owner_role, self.service_role, *self.further_roles):
            if not _IDENTIFIER.fullmatch(identifier):
                raise ValueError(f"{identifier!r} is not a plain lower-case identifier")

    @property
    def replication_role(self) -> str | None:
        """The role that may stream, or None."""
        return f"{self.name}_replication" if self.replication else None

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role of this database; each needs a password."""
        named = (self.owner_role, self.service_role, *self.further_roles, self.replication_role)
        return tuple(role for role in named if role)

    @property
    def connecting_roles(self) -> tuple[str, ...]:
        """The roles that may connect and use the schema, and nothing beyond until a migration says so."""
        return (self.service_role, *self.further_roles)


async def bootstrap_cluster(
    admin_settings: PostgresSettings, specs: Sequence[DatabaseSpec], passwords: Mapping[str, str]
) -> None:
    """Create what is missing and correct what differs; safe to run again and to run twice at once.

    `passwords` maps each role to its password; a role whose password changed gets the new one. Passwords reach the
    server as SCRAM-SHA-256 verifiers only. Raises KeyError for a role without a password, DatabaseUnavailableError.
    """
    wanted = {role: passwords[role] for spec in specs for role in spec.roles}
    with mapped_errors():
        async with _Session(admin_settings) as admin:
            await admin.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK_KEY)
            for spec in specs:
                for role in spec.roles:
                    await _ensure_role(admin, role, wanted[role], replication=role == spec.replication_role)
                await _ensure_database(admin, spec)
            for database in _SHARED_DATABASES:
                await admin.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            for spec in specs:
                await _restrict_inside(admin_settings, spec)


class _Session:
    """One administrator's connection, closed at the end; its end releases the advisory lock."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        limits = ("statement_timeout_seconds", "lock_timeout_seconds", "transaction_timeout_seconds")
        unlimited = self._settings.model_copy(update=dict.fromkeys(limits, 0.0))
        self._connection = await asyncpg.connect(**unlimited.connect_arguments("yoyaku-bootstrap"))
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=5.0)


async def _ensure_role(admin: Connection, role: str, password: str, *, replication: bool) -> None:
    row = await admin.fetchrow("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role)
    if row is None:
        await admin.execute(f"CREATE ROLE {role}")
    stored = row["rolpassword"] if row else None
    verifier = stored if matches(password, stored) else scram_verifier(password)
    kind = "REPLICATION" if replication else "NOREPLICATION"
    await admin.execute(f"ALTER ROLE {role} LOGIN {_ROLE_LIMITS} {kind} PASSWORD '{verifier}'")


async def _ensure_database(admin: Connection, spec: DatabaseSpec) -> None:
    if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", spec.name):
        await admin.execute(f"CREATE DATABASE {spec.name} OWNER {spec.owner_role} TEMPLATE template0 ENCODING 'UTF8'")
    await admin.execute(f"ALTER DATABASE {spec.name} OWNER TO {spec.owner_role}")
    await admin.execute(f"REVOKE ALL ON DATABASE {spec.name} FROM PUBLIC")
    for role in spec.connecting_roles:
        await admin.execute(f"REVOKE ALL ON DATABASE {spec.name} FROM {role}")
        await admin.execute(f"GRANT CONNECT ON DATABASE {spec.name} TO {role}")


async def _restrict_inside(admin_settings: PostgresSettings, spec: DatabaseSpec) -> None:
    async with _Session(admin_settings.model_copy(update={"database": spec.name})) as inside:
        await inside.execute(f"ALTER SCHEMA public OWNER TO {spec.owner_role}")
        await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for role in spec.connecting_roles:
            await inside.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        for kind in ("FUNCTIONS",):
            await inside.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {spec.owner_role} REVOKE ALL ON {kind} FROM PUBLIC"
            )
