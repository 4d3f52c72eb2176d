"""People who use a whole running system over HTTP, for tests of real processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from yoyaku.client import Client
from yoyaku.embedded.postgres_server import SUPERUSER
from yoyaku.embedded.system import System

PASSWORD = "correct horse battery staple 9"


@dataclass
class People:
    """Users of one system: an administrator, and others as they are made.

    Each has a client of their own, and the header that names them for requests that are sent by hand through `http`.
    """

    system: System
    http: httpx.AsyncClient
    admin_password: str
    exits: AsyncExitStack
    clients: dict[str, Client] = field(default_factory=dict)

    async def client(self, user_id: str, password: str = PASSWORD) -> Client:
        """Return a person's client, who signs in the first time."""
        if user_id not in self.clients:
            client = await self.exits.enter_async_context(Client(self.system.gateway_url))
            await client.auth.log_in(user_id, password)
            self.clients[user_id] = client
        return self.clients[user_id]

    async def as_admin(self) -> Client:
        """Return the administrator's client."""
        return await self.client("admin", self.admin_password)

    async def sign_in(self, user_id: str, password: str = PASSWORD) -> dict[str, str]:
        """Return the header that names a person, who signs in the first time."""
        session = (await self.client(user_id, password)).session
        assert session is not None
        return {"Authorization": f"Bearer {session.access_token.get_secret_value()}"}

    async def admin(self) -> dict[str, str]:
        """Return the header that names the administrator."""
        return await self.sign_in("admin", self.admin_password)

    async def person(self, user_id: str) -> dict[str, str]:
        """Make a USER and sign them in."""
        if user_id not in self.clients:
            people = (await self.as_admin()).people
            await people.create(user_id=user_id, display_name=user_id.title(), role="USER", password=PASSWORD)
        return await self.sign_in(user_id)

    async def room(self, name: str | None = None) -> int:
        """Make a room without buffers and return its id."""
        rooms = (await self.as_admin()).rooms
        made = await rooms.create(name=name or f"room {uuid4()}", site="Kyoto", capacity=8, time_zone="Asia/Tokyo")
        return made.id

    def wish(self, room_id: int, slot: int) -> dict[str, object]:
        """Return a wish for the n-th half hour from the day after tomorrow."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        starts_at = midnight + timedelta(days=2, minutes=30 * slot)
        ends_at = starts_at + timedelta(minutes=30)
        return {
            "room_id": room_id,
            "starts_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
            "title": f"slot {slot}",
        }

    async def audit_entries(self, after: int = -1) -> list[dict[str, Any]]:
        """Read the audit log from a position to its end, page by page, through the gateway.

        The end is where it was when the reading began, since each page that is read becomes an entry too.
        """
        entries: list[dict[str, Any]] = []
        query = {"after": after, "limit": 500}
        while True:
            answer = await self.http.get("/api/v1/audit/entries", params=query, headers=await self.admin())
            assert answer.status_code == 200, answer.text
            page = answer.json()
            entries += page["items"]
            if "next" not in answer.links:
                return entries
            query |= {"after": page["items"][-1]["position"], "until": page["until"]}

    async def fetch(self, database: str, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask a database as its superuser."""
        system = self.system
        connection = await asyncpg.connect(
            host=system.postgres.host,
            port=system.postgres.port,
            user=SUPERUSER,
            database=database,
            password=system.secrets.password(SUPERUSER).get_secret_value(),
        )
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


@asynccontextmanager
async def people_of(system: System, *, connections: int = 100) -> AsyncIterator[People]:
    """Let people use a system; every connection is closed behind them."""
    assert system.admin is not None
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with AsyncExitStack() as exits:
        client = httpx.AsyncClient(base_url=system.gateway_url, timeout=30, limits=limits, trust_env=False)
        http = await exits.enter_async_context(client)
        yield People(system, http, system.admin.password.get_secret_value(), exits)
