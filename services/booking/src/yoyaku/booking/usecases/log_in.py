"""Sign a person in.

Invariant: whoever asks learns only whether it worked. An unknown user, a wrong password and a disabled person take the
same steps: one look-up, one hash, one transaction with one event.
"""

from dataclasses import dataclass

from yoyaku.booking.domain.errors import SignInFailedError
from yoyaku.booking.usecases.issue_tokens import IssueTokens, SignedIn
from yoyaku.booking.usecases.ports.chance import Clock, Digest, NewId
from yoyaku.booking.usecases.ports.people import Credentials
from yoyaku.booking.usecases.ports.reads import Reads
from yoyaku.booking.usecases.ports.sign_in import Passwords
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import LoginFailed, LoginFailureReason, LoginSucceeded


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was typed, and from where."""

    user_id: str
    password: str
    client_address: str
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class LogIn:
    """Checks the password and opens a session."""

    reads: Reads
    transactions: Transactions
    passwords: Passwords
    issue: IssueTokens
    digest: Digest
    new_id: NewId
    now: Clock

    async def __call__(self, attempt: Attempt) -> SignedIn:
        """Return the tokens of a new session.

        Raises SignInFailedError, whatever the reason; BusyError when too many wait.
        """
        found = await self.reads.credentials(attempt.user_id)
        right = await self.passwords.verify(found.password_hash if found else None, attempt.password)
        if found is not None and right and found.person.disabled_at is None:
            signed_in = await self._succeed(attempt, found)
            if signed_in is not None:
                return signed_in
            right = False
        reason = _reason(found, right=right)
        await self._fail(attempt, found, reason)
        raise SignInFailedError(reason.value)

    async def _succeed(self, attempt: Attempt, found: Credentials) -> SignedIn | None:
        """Open a session; None when the person was changed since the password was looked at."""
        person = found.person
        fresh = await self.passwords.hash(attempt.password) if self.passwords.is_outdated(found.password_hash) else None
        async with self.transactions.begin() as tx:
            if fresh is not None:
                # Before the person is held: two sign-ins that both hold would wait for each other here.
                await tx.people.change_password_hash(person.id, old=found.password_hash, new=fresh)
            held = await tx.people.find_held(person.id)
            if held is None or held.version != person.version:
                return None
            issued = self.issue.open(held, self.new_id(), attempt.client_address, self.now())
            await tx.sessions.open(issued.session, issued.token)
            tx.emit(
                LoginSucceeded(
                    person_id=str(person.id),
                    client_address=attempt.client_address,
                    user_agent_digest=self.digest(attempt.user_agent) if attempt.user_agent else None,
                    session_id=str(issued.session.id),
                ),
                subject=f"person/{person.id}",
                actor=f"person/{person.id}",
                client_address=attempt.client_address,
            )
        return issued.handed_out

    async def _fail(self, attempt: Attempt, found: Credentials | None, reason: LoginFailureReason) -> None:
        digest = self.digest(attempt.user_id.casefold())
        async with self.transactions.begin() as tx:
            tx.emit(
                LoginFailed(
                    user_id_digest=digest,
                    person_id=str(found.person.id) if found else None,
                    client_address=attempt.client_address,
                    reason=reason,
                    user_agent_digest=self.digest(attempt.user_agent) if attempt.user_agent else None,
                ),
                subject=f"person/{found.person.id}" if found else f"login/{digest}",
                actor="anonymous",
                client_address=attempt.client_address,
            )


def _reason(found: Credentials | None, *, right: bool) -> LoginFailureReason:
    if found is None:
        return LoginFailureReason.UNKNOWN_USER
    return LoginFailureReason.DISABLED if right else LoginFailureReason.WRONG_PASSWORD
