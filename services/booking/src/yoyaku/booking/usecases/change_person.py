"""Change what is known of a person, or what they are trusted with (ID-06)."""

from dataclasses import dataclass, replace
from uuid import UUID

from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.domain.errors import LastAdminError, PersonNotFoundError, RuleBrokenError
from yoyaku.booking.domain.expected_version import ExpectedVersion
from yoyaku.booking.domain.person import Action, Person, Role
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.create_person import check_display_name
from yoyaku.booking.usecases.end_sessions import end_all_sessions
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.contracts.identity_v1 import PersonChanged, RevocationReason


@dataclass(frozen=True, slots=True)
class PersonChange:
    """What is to be another; None leaves it."""

    display_name: str | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class ChangePerson:
    """Changes name and role; another role ends the person's sessions."""

    transactions: Transactions
    check_permission: CheckPermission
    announce: Announce
    now: Clock

    async def __call__(
        self, caller: Caller, person_id: UUID, wanted: PersonChange, expected: ExpectedVersion
    ) -> Person:
        """Return the person as changed.

        Raises NotPermittedError, PersonNotFoundError, StaleVersionError, RuleBrokenError, LastAdminError.
        """
        await self.check_permission(caller, Action.CHANGE_PERSON)
        broken = check_display_name(wanted.display_name) if wanted.display_name is not None else []
        if broken:
            raise RuleBrokenError(broken)
        denials: list[Denial] = []
        async with self.transactions.begin() as tx:
            demoting = wanted.role is not None and wanted.role is not Role.ADMIN
            others = await tx.people.has_other_admin(person_id) if demoting else True
            person = await tx.people.find_for_change(person_id)
            if person is None:
                raise PersonNotFoundError(str(person_id))
            expected.check(person.version)
            if not others and person.role is Role.ADMIN and person.disabled_at is None:
                raise LastAdminError
            changed, fields = _changed(person, wanted)
            if not fields:
                return person
            if changed.role is not person.role:
                changed, denials = await end_all_sessions(
                    tx,
                    changed,
                    RevocationReason.ROLE_CHANGED,
                    now=self.now(),
                    actor=caller.actor,
                    client_address=caller.client_address,
                )
            await tx.people.change(changed)
            _say_changed(tx, changed, fields, caller)
        await self.announce(denials)
        return changed


def _changed(person: Person, wanted: PersonChange) -> tuple[Person, tuple[str, ...]]:
    name = person.display_name if wanted.display_name is None else visible_text(wanted.display_name)
    role = wanted.role or person.role
    fields = (*(["display_name"] if name != person.display_name else []), *(["role"] if role != person.role else []))
    return replace(person, display_name=name, role=role, version=person.version + 1), fields


def _say_changed(tx: Transaction, person: Person, fields: tuple[str, ...], caller: Caller) -> None:
    tx.emit(
        PersonChanged(person_id=str(person.id), changed=fields, role=person.role.value, changed_by=caller.actor),
        subject=f"person/{person.id}",
        actor=caller.actor,
        client_address=caller.client_address,
    )
