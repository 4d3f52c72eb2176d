"""Read what is known of a person."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import PersonNotFoundError
from yoyaku.booking.domain.person import Action, Person
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class GetPerson:
    """Reads oneself, or as ADMIN anyone."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, person_id: UUID) -> Person:
        """Return the person. Raises NotPermittedError, PersonNotFoundError."""
        own = person_id == caller.person_id
        await self.check_permission(caller, Action.READ_SELF if own else Action.READ_PEOPLE)
        found = await self.reads.credentials_of(person_id)
        if found is None:
            raise PersonNotFoundError(str(person_id))
        return found.person
