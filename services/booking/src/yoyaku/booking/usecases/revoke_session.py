"""Sign the caller out on another device."""

from dataclasses import dataclass
from uuid import UUID

from yoyaku.booking.domain.errors import SessionNotFoundError
from yoyaku.booking.domain.person import Action
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.check_permission import CheckPermission
from yoyaku.booking.usecases.end_sessions import end_session
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import RevocationReason


@dataclass(frozen=True, slots=True)
class RevokeSession:
    """Ends one of the caller's own sessions."""

    transactions: Transactions
    check_permission: CheckPermission
    announce: Announce
    now: Clock

    async def __call__(self, caller: Caller, session_id: UUID) -> None:
        """End it. Raises NotPermittedError, SessionNotFoundError for one that is over or another person's."""
        await self.check_permission(caller, Action.END_OWN_SESSION)
        async with self.transactions.begin() as tx:
            session = await tx.sessions.find_for_change(session_id)
            now = self.now()
            if session is None or session.person_id != caller.person_id or not session.is_live(now):
                raise SessionNotFoundError(str(session_id))
            own = session_id == caller.session_id
            denials = await end_session(
                tx,
                session,
                RevocationReason.LOGGED_OUT if own else RevocationReason.REVOKED,
                now=now,
                actor=caller.actor,
                client_address=caller.client_address,
            )
        await self.announce(denials)
