"""Change the own password, which ends the person's other sessions."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from yoyaku.booking.domain.errors import NotAuthenticatedError, RuleBrokenError, Violation
from yoyaku.booking.domain.person import Action
from yoyaku.booking.domain.policy import check_password
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.end_sessions import end_other_sessions
from yoyaku.booking.usecases.ports.chance import Clock, Digest
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.sign_in import Passwords
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason, PersonChanged


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Replaces the caller's password when the current one is right."""

    reads: Reads
    transactions: Transactions
    passwords: Passwords
    check_permission: CheckPermission
    common_passwords: Collection[str]
    announce: Announce
    digest: Digest
    now: Clock

    async def __call__(self, caller: Caller, *, current: str, new: str) -> None:
        """Change it; the caller's own session goes on.

        Raises NotPermittedError, RuleBrokenError for a wrong current or a weak new password, BusyError, and
        NotAuthenticatedError when the person was changed meanwhile.
        """
        await self.check_permission(caller, Action.CHANGE_OWN_PASSWORD)
        found = await self.reads.credentials_of(caller.person_id)
        if found is None or not await self.passwords.verify(found.password_hash, current):
            await self._say_failed(caller, found)
            raise RuleBrokenError([Violation("current_password", "wrong-password")])
        broken = check_password(new, found.person.user_id, self.common_passwords, field="new_password")
        if broken:
            raise RuleBrokenError(broken)
        fresh = await self.passwords.hash(new)
        async with self.transactions.begin() as tx:
            person = await tx.people.find_for_change(caller.person_id)
            if person is None or person.version != found.person.version:
                raise NotAuthenticatedError
            denials = await end_other_sessions(
                tx,
                person,
                caller.session_id,
                now=self.now(),
                actor=caller.actor,
                client_address=caller.client_address,
            )
            await tx.people.change(replace(person, version=person.version + 1), password_hash=fresh)
            tx.emit(
                PersonChanged(
                    person_id=str(person.id), changed=("password",), role=person.role.value, changed_by=caller.actor
                ),
                subject=f"person/{person.id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
        await self.announce(denials)

    async def _say_failed(self, caller: Caller, found: Credentials | None) -> None:
        """Whoever guesses the password of an open session is counted like whoever guesses at the sign-in."""
        async with self.transactions.begin() as tx:
            tx.emit(
                LoginFailed(
                    user_id_digest=self.digest(found.person.user_id if found else str(caller.person_id)),
                    person_id=str(caller.person_id),
                    client_address=caller.client_address,
                    reason=LoginFailureReason.WRONG_PASSWORD,
                    user_agent_digest=self.digest(caller.user_agent) if caller.user_agent else None,
                ),
                subject=f"person/{caller.person_id}",
                actor=caller.actor,
                client_address=caller.client_address,
            )
