"""Make a person who can sign in, asked for by an ADMIN or, for the first one, by the command on the machine."""

from collections.abc import Collection
from dataclasses import dataclass

from yoyaku.booking.domain.errors import PersonAlreadyExistsError, RuleBrokenError, Violation
from yoyaku.booking.domain.person import DISPLAY_NAME_LENGTH, Action, Person, Role
from yoyaku.booking.domain.policy import check_password, check_user_id
from yoyaku.booking.domain.visible_text import visible_text
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.ports.chance import Clock, NewId
from yoyaku.booking.usecases.ports.sign_in import Passwords
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.contracts.identity_v1 import PersonCreated


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Who is to be made."""

    user_id: str
    display_name: str
    role: Role
    password: str


@dataclass(frozen=True, slots=True)
class CreatePerson:
    """Makes people."""

    transactions: Transactions
    passwords: Passwords
    check_permission: CheckPermission
    common_passwords: Collection[str]
    new_id: NewId
    now: Clock

    async def __call__(self, caller: Caller, wanted: NewPerson) -> Person:
        """Return the person made.

        Raises NotPermittedError, RuleBrokenError naming each broken rule, PersonAlreadyExistsError.
        """
        await self.check_permission(caller, Action.CREATE_PERSON)
        person, password_hash = await self._prepared(wanted)
        async with self.transactions.begin() as tx:
            await _store(tx, person, password_hash, actor=caller.actor, client_address=caller.client_address)
        return person

    async def first_admin(self, user_id: str, password: str) -> Person:
        """Return the first ADMIN, made by the machine's operator. Raises PersonAlreadyExistsError when there is one."""
        wanted = NewPerson(user_id=user_id, display_name=user_id, role=Role.ADMIN, password=password)
        person, password_hash = await self._prepared(wanted)
        async with self.transactions.begin() as tx:
            if await tx.people.has_admin():
                raise PersonAlreadyExistsError
            await _store(tx, person, password_hash, actor="operator", client_address=None)
        return person

    async def _prepared(self, wanted: NewPerson) -> tuple[Person, str]:
        broken = [
            *check_user_id(wanted.user_id),
            *check_display_name(wanted.display_name),
            *check_password(wanted.password, wanted.user_id, self.common_passwords),
        ]
        if broken:
            raise RuleBrokenError(broken)
        person = Person(
            id=self.new_id(),
            user_id=wanted.user_id.lower(),
            display_name=visible_text(wanted.display_name),
            role=wanted.role,
            created_at=self.now(),
        )
        return person, await self.passwords.hash(wanted.password)


def check_display_name(name: str) -> list[Violation]:
    """Name what is wrong with the name that a person is shown under."""
    if not visible_text(name):
        return [Violation("display_name", "blank")]
    if len(name) > DISPLAY_NAME_LENGTH:
        return [Violation("display_name", "too-long", {"max_length": DISPLAY_NAME_LENGTH})]
    return []


async def _store(
    tx: Transaction, person: Person, password_hash: str, *, actor: str, client_address: str | None
) -> None:
    await tx.people.add(person, password_hash)
    tx.emit(
        PersonCreated(person_id=str(person.id), role=person.role.value),
        subject=f"person/{person.id}",
        actor=actor,
        client_address=client_address,
    )
