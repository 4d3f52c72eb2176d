"""Let a disabled person sign in again (ID-06)."""

from dataclasses import dataclass, replace
from uuid import UUID

from yoyaku.booking.domain.errors import PersonNotFoundError
from yoyaku.booking.domain.person import Action, Person
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import PersonChanged


@dataclass(frozen=True, slots=True)
class EnablePerson:
    """Enables a person; the tokens and sessions of before stay refused."""

    transactions: Transactions
    check_permission: CheckPermission

    async def __call__(self, caller: Caller, person_id: UUID) -> Person:
        """Return the person as enabled. Raises NotPermittedError, PersonNotFoundError."""
        await self.check_permission(caller, Action.DISABLE_PERSON)
        async with self.transactions.begin() as tx:
            person = await tx.people.find_for_change(person_id)
            if person is None:
                raise PersonNotFoundError(str(person_id))
            if person.disabled_at is None:
                return person
            enabled = replace(person, disabled_at=None, version=person.version + 1)
            await tx.people.change(enabled)
            tx.emit(
                PersonChanged(
                    person_id=str(person.id), changed=("disabled",), role=person.role.value, changed_by=caller.actor
                ),
                subject=f"person/{person.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        return enabled
