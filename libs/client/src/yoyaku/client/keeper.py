"""Keeps a client signed in: one refresh at a time, among the tasks of a process and among processes.

A refresh token is good for one use, so a refresh is sent once. Three things follow:
- Tasks that are refused at the same moment share one refresh, and its failure.
- Processes that share a kept session refresh under its lock; who comes second finds the new session. Where the lock is
  not shared, the gateway answers `refresh-superseded` within its grace, and the loser reads the session again.
- Before a refresh is sent this is noted in the kept session. While its answer is unknown the token may be sent again
  within the gateway's grace only: later it would look like a stolen one and end every session of the family.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from yoyaku.client.errors import ConflictError, NotAuthenticatedError, ProblemError, TransportError
from yoyaku.client.models.sign_in import Tokens
from yoyaku.client.sessions import Session, Sessions

SUPERSEDED: Final = "refresh-superseded"
DOUBT: Final = timedelta(seconds=8)
"""A little less than the gateway's grace of 10 s."""
SUCCESSOR_SECONDS: Final = 3.0
"""How long the winner of a refresh is given to store what it got."""
_POLL_SECONDS: Final = 0.1

Exchange = Callable[[SecretStr], Awaitable[Tokens]]


class SessionKeeper:
    """Gives the session to send with, and renews it. `exchange` sends one refresh, once."""

    def __init__(
        self,
        sessions: Sessions,
        exchange: Exchange,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sessions = sessions
        self._exchange = exchange
        self._clock = clock
        self._sleep = sleep
        self._current = sessions.load()
        self._flight: asyncio.Task[Session] | None = None

    @property
    def current(self) -> Session | None:
        """The session in use; None when nobody is signed in."""
        return self._current

    async def take(self, tokens: Tokens, *, user_id: str) -> Session:
        """Keep what a sign-in gave."""
        session = Session.of(tokens, user_id=user_id, now=self._clock())
        async with self._sessions.locked():
            self._sessions.save(session)
        self._current = session
        return session

    async def forget(self, session: Session) -> None:
        """Keep this session no longer; one that took its place meanwhile stays."""
        async with self._sessions.locked():
            if _same(self._sessions.load(), session):
                self._sessions.clear()
        if _same(self._current, session):
            self._current = None

    async def renew(self, used: Session) -> Session:
        """Return the session that follows the one that was refused, refreshing at most once for all who ask.

        Raises NotAuthenticatedError (sign in again), TransportError, ProblemError.
        """
        if self._current is not None and not _same(self._current, used):
            return self._current
        if self._flight is None:
            self._flight = asyncio.create_task(self._renewed(used))
            self._flight.add_done_callback(self._landed)
        # Whoever gives up waiting does not cut a refresh in half.
        return await asyncio.shield(self._flight)

    async def settle(self) -> None:
        """Wait until no refresh is on its way."""
        if self._flight is not None:
            await asyncio.wait([self._flight])

    def _landed(self, flight: asyncio.Task[Session]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()

    async def _renewed(self, used: Session) -> Session:
        async with self._sessions.locked():
            kept = self._sessions.load()
            if kept is None:
                self._current = None
                raise sign_in_again()
            if not _same(kept, used):
                self._current = kept
                return kept
            self._current = await self._exchanged(kept)
            return self._current

    async def _exchanged(self, kept: Session) -> Session:
        now = self._clock()
        if kept.refresh_token is None or _in_doubt_too_long(kept, now):
            self._give_up()
            raise sign_in_again()
        if kept.refresh_sent_at is None:
            self._sessions.save(kept.refreshing(now))
        try:
            tokens = await self._exchange(kept.refresh_token)
        except TransportError as error:
            if not error.sent:
                self._sessions.save(kept)
            raise
        except NotAuthenticatedError:
            self._give_up()
            raise
        except ConflictError as error:
            return await self._successor(kept, error)
        except ProblemError:
            self._sessions.save(kept)
            raise
        session = Session.of(tokens, user_id=kept.user_id, now=self._clock())
        self._sessions.save(session)
        return session

    async def _successor(self, kept: Session, error: ConflictError) -> Session:
        """Return the session that the winner of the race stores. Raises NotAuthenticatedError when it stores none."""
        if error.code != SUPERSEDED:
            raise error
        for _ in range(round(SUCCESSOR_SECONDS / _POLL_SECONDS)):
            found = self._sessions.load()
            if found is not None and not _same(found, kept):
                return found
            await self._sleep(_POLL_SECONDS)
        raise sign_in_again() from error

    def _give_up(self) -> None:
        self._sessions.clear()
        self._current = None


def sign_in_again() -> NotAuthenticatedError:
    """Return the error of somebody who has to sign in, found out without asking the gateway."""
    return NotAuthenticatedError(status=401, code="sign-in-again", title="Sign in again.")


def _same(one: Session | None, other: Session) -> bool:
    return one is not None and one.access_token == other.access_token


def _in_doubt_too_long(session: Session, now: datetime) -> bool:
    sent_at = session.refresh_sent_at
    return sent_at is not None and not timedelta(0) <= now - sent_at < DOUBT
