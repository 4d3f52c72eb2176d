"""The people and their stored credentials."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from yoyaku.booking.domain.person import Person, Role


@dataclass(frozen=True, slots=True)
class Credentials:
    """A person with the stored hash of the password."""

    person: Person
    password_hash: str


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people; None filters nothing."""

    role: Role | None = None
    disabled: bool | None = None
    text: str | None = None
    """A part of the user id or display name, whatever its case."""


class People(Protocol):
    """The people, inside a transaction.

    Locks are taken in one order, so that nobody waits in a circle: ADMINs' turns, person, session.
    """

    async def add(self, person: Person, password_hash: str) -> None:
        """Store a person. Raises PersonAlreadyExistsError when the user id is taken."""

    async def change_password_hash(self, person_id: UUID, *, old: str, new: str) -> None:
        """Replace the hash when it is still the old one."""

    async def has_admin(self) -> bool:
        """Say whether an ADMIN exists; transactions that ask take turns until they end."""

    async def has_other_admin(self, person_id: UUID) -> bool:
        """Say whether an ADMIN besides this person may sign in; transactions that ask take turns until they end."""

    async def find_held(self, person_id: UUID) -> Person | None:
        """Read a person and keep others from changing them until the transaction ends; many may hold at once."""

    async def find_for_change(self, person_id: UUID) -> Person | None:
        """Read a person, wait for those who hold them, and keep others away until the transaction ends."""

    async def change(self, person: Person, *, password_hash: str | None = None) -> None:
        """Store what may change of a person, with a new password hash when one is given."""
