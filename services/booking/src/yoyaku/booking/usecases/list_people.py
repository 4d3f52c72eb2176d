"""Find people."""

from collections.abc import Sequence
from dataclasses import dataclass

from yoyaku.booking.domain.person import Action, Person
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.people import PeopleFilter
from yoyaku.booking.usecases.ports.reads import Reads


@dataclass(frozen=True, slots=True)
class ListPeople:
    """Lists people by user id."""

    reads: Reads
    check_permission: CheckPermission

    async def __call__(
        self, caller: Caller, wanted: PeopleFilter, *, after: str | None, limit: int
    ) -> tuple[Sequence[Person], str | None]:
        """Return a page, and after which user id the next one starts; None at the end. Raises NotPermittedError."""
        await self.check_permission(caller, Action.READ_PEOPLE)
        found = await self.reads.people(wanted, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].user_id if len(found) > limit else None
