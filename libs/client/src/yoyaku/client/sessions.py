"""A signed-in session, and where it is kept.

Invariant: tokens are SecretStr, so that no repr, traceback or log line shows one.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, Self

from pydantic import SecretStr

from yoyaku.client.models.sign_in import Tokens


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's tokens. `refresh_sent_at` is set while a refresh is on its way and its answer is not known."""

    user_id: str
    access_token: SecretStr
    expires_at: datetime
    refresh_token: SecretStr | None = None
    refresh_expires_at: datetime | None = None
    refresh_sent_at: datetime | None = None

    @classmethod
    def of(cls, tokens: Tokens, *, user_id: str, now: datetime) -> Self:
        """Return the session that a sign-in or a refresh opened at `now`."""
        lasts = tokens.refresh_expires_in
        return cls(
            user_id=user_id,
            access_token=tokens.access_token,
            expires_at=now + timedelta(seconds=tokens.expires_in),
            refresh_token=tokens.refresh_token,
            refresh_expires_at=None if lasts is None else now + timedelta(seconds=lasts),
        )

    def refreshing(self, at: datetime | None) -> Self:
        """Return this session with (or, for None, without) a refresh on its way."""
        return replace(self, refresh_sent_at=at)


class Sessions(Protocol):
    """Where the session of one gateway is kept. Plain calls are quick; `locked` may wait for another process."""

    def load(self) -> Session | None:
        """Return the kept session. Raises SessionStoreError."""

    def save(self, session: Session) -> None:
        """Keep this session instead of any other; whole or not at all. Raises SessionStoreError."""

    def clear(self) -> None:
        """Keep none. Raises SessionStoreError."""

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep every other process from changing the session meanwhile. Raises SessionStoreError."""


class MemorySessions:
    """Keeps the session for as long as the program runs."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session

    def load(self) -> Session | None:
        """Return the session."""
        return self._session

    def save(self, session: Session) -> None:
        """Keep this one."""
        self._session = session

    def clear(self) -> None:
        """Forget it."""
        self._session = None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Nobody else can reach it, so there is nothing to wait for."""
        yield
