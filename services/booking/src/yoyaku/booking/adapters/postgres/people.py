"""Everything that touches the table of people."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from yoyaku.booking.domain.errors import PersonAlreadyExistsError
from yoyaku.booking.domain.person import Person, Role
from yoyaku.booking.usecases.ports.people import Credentials, PeopleFilter
from yoyaku.postgres.pool import Connection

_BY_USER_ID: Final = """
SELECT id, user_id, display_name, role, created_at, disabled_at, not_before, version, password_hash
FROM person WHERE user_id = $1
"""
_BY_ID: Final = """
SELECT id, user_id, display_name, role, created_at, disabled_at, not_before, version, password_hash
FROM person WHERE id = $1
"""
_HELD: Final = f"{_BY_ID} FOR SHARE"
# A reservation that refers to the person is not kept waiting, because the key does not change.
_FOR_CHANGE: Final = f"{_BY_ID} FOR NO KEY UPDATE"
_CHANGE: Final = """
UPDATE person SET display_name = $2, role = $3, disabled_at = $4, not_before = $5, version = $6,
                  password_hash = coalesce($7, password_hash)
WHERE id = $1
"""
_PAGE: Final = """
SELECT id, user_id, display_name, role, created_at, disabled_at, not_before, version FROM person
WHERE ($1::text IS NULL OR user_id > $1)
  AND ($2::text IS NULL OR role = $2)
  AND ($3::boolean IS NULL OR (disabled_at IS NOT NULL) = $3)
  AND ($4::text IS NULL OR position(lower($4) IN user_id) > 0 OR position(lower($4) IN lower(display_name)) > 0)
ORDER BY user_id LIMIT $5
"""
_ADD: Final = """
INSERT INTO person (id, user_id, display_name, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT person_user_id_key DO NOTHING
RETURNING id
"""
_CHANGE_HASH: Final = "UPDATE person SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(hashtextextended('yoyaku.booking.first-admin', 0))"
_HAS_ADMIN: Final = "SELECT EXISTS (SELECT 1 FROM person WHERE role = 'ADMIN')"
_HAS_OTHER_ADMIN: Final = """
SELECT EXISTS (SELECT 1 FROM person WHERE role = 'ADMIN' AND disabled_at IS NULL AND id <> $1)
"""


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

    async def has_other_admin(self, person_id: UUID) -> bool:
        """Say whether an ADMIN besides this person may sign in; transactions that ask take turns until they end."""
        await self._connection.execute(_TAKE_TURNS)
        return bool(await self._connection.fetchval(_HAS_OTHER_ADMIN, person_id))

    async def find_held(self, person_id: UUID) -> Person | None:
        """Read a person and keep others from changing them until the transaction ends; many may hold at once."""
        row = await self._connection.fetchrow(_HELD, person_id)
        return _to_person(row) if row else None

    async def find_for_change(self, person_id: UUID) -> Person | None:
        """Read a person, wait for those who hold them, and keep others away until the transaction ends."""
        row = await self._connection.fetchrow(_FOR_CHANGE, person_id)
        return _to_person(row) if row else None

    async def change(self, person: Person, *, password_hash: str | None = None) -> None:
        """Store what may change of a person, with a new password hash when one is given."""
        await self._connection.execute(
            _CHANGE,
            person.id,
            person.display_name,
            person.role.value,
            person.disabled_at,
            person.not_before,
            person.version,
            password_hash,
        )


async def read_credentials(connection: Connection, user_id: str) -> Credentials | None:
    """Find a person with the stored hash; the case of the user id does not matter."""
    row = await connection.fetchrow(_BY_USER_ID, user_id.lower())
    return Credentials(_to_person(row), row["password_hash"]) if row else None


async def read_credentials_of(connection: Connection, person_id: UUID) -> Credentials | None:
    """Find a person by id, with the stored hash."""
    row = await connection.fetchrow(_BY_ID, person_id)
    return Credentials(_to_person(row), row["password_hash"]) if row else None


async def read_people(
    connection: Connection, wanted: PeopleFilter, *, after: str | None, limit: int
) -> Sequence[Person]:
    """List people by user id, starting after one."""
    role = wanted.role.value if wanted.role else None
    rows = await connection.fetch(_PAGE, after, role, wanted.disabled, wanted.text, limit)
    return [_to_person(row) for row in rows]


def _to_person(row: asyncpg.Record) -> Person:
    return Person(
        id=UUID(bytes=row["id"].bytes),
        user_id=row["user_id"],
        display_name=row["display_name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        not_before=row["not_before"],
        version=row["version"],
    )
