"""Give a person another password without knowing the old one: an ADMIN, or the machine's operator (ID-06)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.domain.errors import PersonNotFoundError, RuleBrokenError
from yoyaku.booking.domain.person import Action, Person
from yoyaku.booking.domain.policy import check_password
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.end_sessions import end_all_sessions
from yoyaku.booking.usecases.ports.chance import Clock, NewSecret
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.sign_in import Passwords
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import PersonChanged, RevocationReason

OPERATOR = "operator"
"""The actor when it was done on the machine."""


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Replaces a password and ends the person's sessions."""

    reads: Reads
    transactions: Transactions
    passwords: Passwords
    check_permission: CheckPermission
    common_passwords: Collection[str]
    new_secret: NewSecret
    announce: Announce
    now: Clock

    async def __call__(self, caller: Caller, person_id: UUID, password: str | None) -> str | None:
        """Set the password given, or a generated one, which is returned.

        Raises NotPermittedError, PersonNotFoundError, RuleBrokenError, BusyError.
        """
        await self.check_permission(caller, Action.RESET_PASSWORD)
        found = await self.reads.credentials_of(person_id)
        if found is None:
            raise PersonNotFoundError(str(person_id))
        return await self._reset(found.person, password, actor=caller.actor, client_address=caller.client_address)

    async def by_operator(self, user_id: str) -> str:
        """Set a generated password for somebody who is locked out, and return it. Raises PersonNotFoundError."""
        found = await self.reads.credentials(user_id)
        if found is None:
            raise PersonNotFoundError(user_id)
        generated = await self._reset(found.person, None, actor=OPERATOR, client_address=None)
        assert generated is not None  # none was given
        return generated

    async def _reset(
        self, known: Person, password: str | None, *, actor: str, client_address: str | None
    ) -> str | None:
        generated = self.new_secret() if password is None else None
        wanted = generated or password or ""
        broken = check_password(wanted, known.user_id, self.common_passwords)
        if broken:
            raise RuleBrokenError(broken)
        fresh = await self.passwords.hash(wanted)
        denials: list[Denial] = []
        async with self.transactions.begin() as tx:
            person = await tx.people.find_for_change(known.id)
            if person is None:
                raise PersonNotFoundError(str(known.id))
            changed, denials = await end_all_sessions(
                tx,
                replace(person, version=person.version + 1),
                RevocationReason.PASSWORD_CHANGED,
                now=self.now(),
                actor=actor,
                client_address=client_address,
            )
            await tx.people.change(changed, password_hash=fresh)
            tx.emit(
                PersonChanged(
                    person_id=str(person.id), changed=("password",), role=person.role.value, changed_by=actor
                ),
                subject=f"person/{person.id}",
                actor=actor,
                client_address=client_address,
            )
        await self.announce(denials)
        return generated
