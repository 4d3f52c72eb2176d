"""The client: one gateway, one session, the API's resources.

async with Client("https://rooms.example.com") as yoyaku:
    await yoyaku.auth.log_in("hanako", password)
    async for room in yoyaku.rooms.list(site="Tokyo"):
        ...
"""

import ipaddress
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, Self

import httpx

from yoyaku.client.gateway import Gateway
from yoyaku.client.keeper import SessionKeeper
from yoyaku.client.resources.auth import Auth
from yoyaku.client.resources.calendars import Calendars
from yoyaku.client.resources.people import People
from yoyaku.client.resources.reservations import Reservations
from yoyaku.client.resources.rooms import Rooms
from yoyaku.client.retrying import Patience
from yoyaku.client.sessions import MemorySessions, Session, Sessions

CONNECTIONS: Final = 100


class Client:
    """Talks to a gateway for one person. Safe to be shared by the tasks of one event loop."""

    def __init__(
        self,
        base_url: str,
        *,
        session: Session | Sessions | None = None,
        language: str = "en",
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare a client; nothing is sent yet.

        `session`: an open session, or where one is kept and where its successors go. `language`: what messages to
        people come in, as `Accept-Language` has it. Raises ValueError when `base_url` is no http address.
        """
        url = checked_url(base_url)
        patience = patience or Patience()
        self._http = httpx.AsyncClient(
            base_url=url,
            transport=transport,
            timeout=patience.attempt_seconds,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            # A proxy of the environment is for other machines.
            trust_env=not _is_loopback(url.host),
            headers={"Accept-Language": language, "User-Agent": f"yoyaku-client/{version('yoyaku-client')}"},
        )
        sessions: Sessions = (
            session if session is not None and not isinstance(session, Session) else MemorySessions(session)
        )
        self._gateway = Gateway(self._http, patience)
        self._keeper = SessionKeeper(sessions, self._gateway.exchange, clock=clock, sleep=patience.sleep)
        self._gateway.signed_by(self._keeper)
        self._exits = AsyncExitStack()
        self.auth = Auth(self._gateway, self._keeper)
        self.rooms = Rooms(self._gateway)
        self.reservations = Reservations(self._gateway)
        self.people = People(self._gateway)
        self.calendars = Calendars(self._gateway)

    @property
    def session(self) -> Session | None:
        """The session in use; None when nobody is signed in."""
        return self._keeper.current

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self._http)
        self._exits.push_async_callback(self._keeper.settle)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()


def checked_url(text: str) -> httpx.URL:
    """Return a gateway's address. Raises ValueError that says what is wrong with it."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"'{text}' is no address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or any(char.isspace() for char in text):
        raise ValueError(f"'{text}' is no address of a gateway: it has to begin with http:// or https://")
    if url.userinfo:
        raise ValueError("an address must not hold a password: sign in with `yoyaku login`")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
