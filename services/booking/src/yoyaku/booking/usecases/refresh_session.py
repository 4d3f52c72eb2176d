"""Trade a refresh token for new tokens (ID-03).

Invariant: a refresh token buys one successor, whoever presents it how often. The session's row is held while it is
judged, after its person's, so that refreshing, logging out and disabling one after another end as if in a queue.
"""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.denials import Denial
from yoyaku.booking.domain.errors import RefreshSupersededError, SignInAgainError
from yoyaku.booking.domain.session import Presented, Session, digest_of, judge
from yoyaku.booking.usecases.end_sessions import end_session
from yoyaku.booking.usecases.issue_tokens import IssueTokens, SignedIn
from yoyaku.booking.usecases.ports.chance import Clock, Digest
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.transactions import Transaction, Transactions
from yoyaku.contracts.identity_v1 import RevocationReason, TokenRefreshed, TokenReused

_SERVICE = "service/booking"


@dataclass(frozen=True, slots=True)
class Refreshing:
    """What was presented, and from where."""

    refresh_token: str
    client_address: str
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class RefreshSession:
    """Rotates refresh tokens, and ends a session whose token was copied."""

    transactions: Transactions
    issue: IssueTokens
    announce: Announce
    digest: Digest
    now: Clock

    async def __call__(self, presented: Refreshing) -> SignedIn:
        """Return new tokens.

        Raises RefreshSupersededError when another tab was faster by seconds; SignInAgainError for whatever else is
        wrong, after ending the session when the token was used long ago.
        """
        digest = digest_of(presented.refresh_token)
        if digest is None:
            raise SignInAgainError
        async with self.transactions.begin() as tx:
            owner = await tx.sessions.owner_of(digest)
            if owner is None:
                raise SignInAgainError
            outcome = await self._judged(tx, digest, owner, presented)
        if isinstance(outcome, SignedIn):
            return outcome
        await self.announce(outcome)
        raise SignInAgainError(reused=True)

    async def _judged(
        self, tx: Transaction, digest: bytes, owner: tuple[UUID, UUID], presented: Refreshing
    ) -> SignedIn | list[Denial]:
        session_id, person_id = owner
        person = await tx.people.find_held(person_id)
        session = await tx.sessions.find_for_change(session_id)
        token = await tx.sessions.token(digest)
        if person is None or session is None or token is None or person.disabled_at is not None:
            raise SignInAgainError
        now = self.now()
        match judge(session, token, now, self.issue.rules):
            case Presented.OVER:
                raise SignInAgainError
            case Presented.SUPERSEDED:
                raise RefreshSupersededError
            case Presented.REUSED:
                return await self._end(tx, session, presented)
            case Presented.GOOD:
                issued = self.issue.renew(person, session, presented.client_address, now)
                await tx.sessions.rotate(issued.session, token, issued.token)
                self._say_refreshed(tx, session, presented)
                return issued.handed_out

    async def _end(self, tx: Transaction, session: Session, presented: Refreshing) -> list[Denial]:
        tx.emit(
            TokenReused(
                person_id=str(session.person_id),
                session_id=str(session.id),
                client_address=presented.client_address,
                user_agent_digest=self._user_agent_digest(presented),
            ),
            subject=f"person/{session.person_id}",
            actor="anonymous",
            client_address=presented.client_address,
        )
        return await end_session(
            tx,
            session,
            RevocationReason.TOKEN_REUSED,
            now=self.now(),
            actor=_SERVICE,
            client_address=presented.client_address,
        )

    def _say_refreshed(self, tx: Transaction, session: Session, presented: Refreshing) -> None:
        tx.emit(
            TokenRefreshed(
                person_id=str(session.person_id),
                session_id=str(session.id),
                client_address=presented.client_address,
                user_agent_digest=self._user_agent_digest(presented),
            ),
            subject=f"person/{session.person_id}",
            actor=f"person/{session.person_id}",
            client_address=presented.client_address,
        )

    def _user_agent_digest(self, presented: Refreshing) -> str | None:
        return self.digest(presented.user_agent) if presented.user_agent else None
