"""Sign a person out on one device (ID-04).

Invariant: when it returns, the session is revoked and its access tokens are denied in the database, this process
refuses them, and the others were told or will find them there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from yoyaku.booking.domain.denials import Denial, DenialKind
from yoyaku.booking.domain.session import digest_of
from yoyaku.booking.usecases.caller import Caller
from yoyaku.booking.usecases.end_sessions import CLOCK_SLACK, end_session
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.sessions import Announce
from yoyaku.booking.usecases.ports.transactions import Transactions
from yoyaku.contracts.identity_v1 import RevocationReason


@dataclass(frozen=True, slots=True)
class LogOut:
    """Ends the session of an access token, or of a refresh token when the access token is over."""

    transactions: Transactions
    announce: Announce
    now: Clock

    async def __call__(self, caller: Caller) -> None:
        """End the caller's session."""
        denials: list[Denial] = []
        async with self.transactions.begin() as tx:
            if caller.token_id is not None:
                until = datetime.fromtimestamp(caller.token_expires_at, UTC) + CLOCK_SLACK
                denials.append(Denial(DenialKind.TOKEN, caller.token_id, until))
                await tx.denials.add(denials[0])
            session = await tx.sessions.find_for_change(caller.session_id) if caller.session_id else None
            if session is not None and session.revoked_at is None:
                denials += await end_session(
                    tx,
                    session,
                    RevocationReason.LOGGED_OUT,
                    now=self.now(),
                    actor=caller.actor,
                    client_address=caller.client_address,
                )
        await self.announce(denials)

    async def with_refresh_token(self, refresh_token: str, client_address: str) -> None:
        """End the session that the refresh token belongs to; nobody learns whether there was one."""
        digest = digest_of(refresh_token)
        if digest is None:
            return
        denials: list[Denial] = []
        async with self.transactions.begin() as tx:
            owner = await tx.sessions.owner_of(digest)
            session = await tx.sessions.find_for_change(owner[0]) if owner else None
            if session is not None and session.revoked_at is None:
                denials = await end_session(
                    tx,
                    session,
                    RevocationReason.LOGGED_OUT,
                    now=self.now(),
                    actor=f"person/{session.person_id}",
                    client_address=client_address,
                )
        await self.announce(denials)
