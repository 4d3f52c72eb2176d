"""Keep a person from signing in, from this moment on (ID-06)."""

from dataclasses import dataclass, replace
from uuid import UUID

from yoyaku.booking.domain.errors import LastAdminError, PersonNotFoundError
from yoyaku.booking.domain.person import Action, Person, Role
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.end_sessions import end_all_sessions
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import PersonDisabled, RevocationReason


@dataclass(frozen=True, slots=True)
class DisablePerson:
    """Disables a person and ends their sessions."""

    transactions: Transactions
    check_permission: CheckPermission
    announce: Announce
    now: Clock

    async def __call__(self, caller: Caller, person_id: UUID) -> Person:
        """Return the person as disabled; one who was before stays as they are.

        Raises NotPermittedError, PersonNotFoundError, LastAdminError.
        """
        await self.check_permission(caller, Action.DISABLE_PERSON)
        async with self.transactions.begin() as tx:
            others = await tx.people.has_other_admin(person_id)
            person = await tx.people.find_for_change(person_id)
            if person is None:
                raise PersonNotFoundError(str(person_id))
            if person.disabled_at is not None:
                return person
            if person.role is Role.ADMIN and not others:
                raise LastAdminError
            now = self.now()
            disabled, denials = await end_all_sessions(
                tx,
                replace(person, disabled_at=now, version=person.version + 1),
                RevocationReason.PERSON_DISABLED,
                now=now,
                actor=caller.actor,
                client_address=caller.client_address,
            )
            await tx.people.change(disabled)
            tx.emit(
                PersonDisabled(person_id=str(person.id), disabled_by=caller.actor),
                subject=f"person/{person.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        await self.announce(denials)
        return disabled
