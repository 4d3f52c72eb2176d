"""Everything that touches the table of people."""

from typing import Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.errors import PersonAlreadyExistsError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.postgres.pool import Connection

_BY_USER_ID: Final = """
SELECT id, user_id, display_name, role, created_at, disabled_at, password_hash FROM person WHERE user_id = $1
"""
_ADD: Final = """
INSERT INTO person (id, user_id, display_name, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT person_user_id_key DO NOTHING
RETURNING id
"""
_CHANGE_HASH: Final = "UPDATE person SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('yoyaku.booking.first-admin', 0))"
_HAS_ADMIN: Final = "SELECT EXISTS (SELECT 1 FROM person WHERE role = 'ADMIN')"


class PostgresPeople:
    """The people, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, person: Person, password_hash: str) -> None:
        """Store a person. Raises PersonAlreadyExistsError when the user id is taken."""
        stored = await self._connection.fetchval(
            _ADD,
            person.id,
            person.user_id,
            person.display_name,
            person.role.value,
            password_hash,
            person.created_at,
        )
        if stored is None:
            raise PersonAlreadyExistsError

    async def change_password_hash(self, person_id: UUID, *, old: str, new: str) -> None:
        """Replace the hash when it is still the old one."""
        await self._connection.execute(_CHANGE_HASH, person_id, old, new)

    async def has_admin(self) -> bool:
        """Say whether an ADMIN exists; transactions that ask take turns until they end."""
        await self._connection.execute(_TAKE_TURNS)
        return bool(await self._connection.fetchval(_HAS_ADMIN))


async def read_credentials(connection: Connection, user_id: str) -> Credentials | None:
    """Find a person with the stored hash; the case of the user id does not matter."""
    row = await connection.fetchrow(_BY_USER_ID, user_id.lower())
    return Credentials(_to_person(row), row["password_hash"]) if row else None


def _to_person(row: asyncpg.Record) -> Person:
    return Person(
        id=UUID(bytes=row["id"].bytes),
        user_id=row["user_id"],
        display_name=row["display_name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )
