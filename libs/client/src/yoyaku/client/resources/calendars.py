"""Calendar feeds."""

from yoyaku.client.gateway import segment
from yoyaku.client.models.calendars import Calendar
from yoyaku.client.pages import Page
from yoyaku.client.resources.resource import Resource


class Calendars(Resource):
    """Read-only addresses that a calendar program subscribes to."""

    async def create_mine(self) -> Calendar:
        """Open a feed of the caller's own reservations; its address is told once."""
        return await self._read(Calendar, "POST", "/calendars", body={"kind": "mine"})

    async def create_for_room(self, room_id: int) -> Calendar:
        """Open a feed of a room; its address is told once."""
        return await self._read(Calendar, "POST", "/calendars", body={"kind": "room", "room_id": room_id})

    async def list(self) -> tuple[Calendar, ...]:
        """Return the caller's feeds, without their addresses."""
        return (await self._read(Page[Calendar], "GET", "/calendars")).items

    async def revoke(self, calendar_id: str) -> None:
        """End a feed."""
        await self._ask("DELETE", f"/calendars/{segment(calendar_id)}")
