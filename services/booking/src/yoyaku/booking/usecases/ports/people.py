"""The people and their stored credentials."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.person import Person


@dataclass(frozen=True, slots=True)
class Credentials:
    """A person with the stored hash of the password."""

    person: Person
    password_hash: str


class People(Protocol):
    """The people, inside a transaction."""

    async def add(self, person: Person, password_hash: str) -> None:
        """Store a person. Raises PersonAlreadyExistsError when the user id is taken."""

    async def change_password_hash(self, person_id: UUID, *, old: str, new: str) -> None:
        """Replace the hash when it is still the old one."""

    async def has_admin(self) -> bool:
        """Say whether an ADMIN exists; transactions that ask take turns until they end."""
