"""Rooms: found, managed by an ADMIN, and when they are free."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from yoyaku.client.gateway import segment
from yoyaku.client.models.rooms import Availability, Closure, RetiredRoom, Room, RoomChange, Site
from yoyaku.client.pages import Page, Pages
from yoyaku.client.resources.resource import Resource, given, if_match

OpeningHours = Mapping[str, Sequence[tuple[str, str]]]


class Rooms(Resource):
    """The rooms of the house."""

    def list(
        self,
        *,
        site: str | None = None,
        capacity: int | None = None,
        features: Sequence[str] = (),
        free_from: datetime | None = None,
        free_to: datetime | None = None,
        active: bool | None = None,
        page: int = 200,
    ) -> Pages[Room]:
        """Return rooms by id. `capacity`: at least; `features`: all of them; `free_from`, `free_to`: free all over."""
        query = given(
            site=site,
            capacity=capacity,
            feature=list(features) or None,
            free_from=free_from,
            free_to=free_to,
            active=None if active is None else str(active).lower(),
            limit=page,
        )
        return self._pages("/rooms", Room, query)

    async def get(self, room_id: int) -> Room:
        """Return one room. Raises NotFoundError."""
        return await self._read(Room, "GET", f"/rooms/{segment(room_id)}")

    async def create(
        self,
        *,
        name: str,
        site: str,
        capacity: int,
        time_zone: str,
        features: Sequence[str] | None = None,
        opening_hours: OpeningHours | None = None,
        buffer_before_minutes: int | None = None,
        buffer_after_minutes: int | None = None,
    ) -> Room:
        """Add a room. Raises ConflictError when the site has one of that name."""
        body = given(
            name=name,
            site=site,
            capacity=capacity,
            time_zone=time_zone,
            features=None if features is None else list(features),
            opening_hours=opening_hours,
            buffer_before_minutes=buffer_before_minutes,
            buffer_after_minutes=buffer_after_minutes,
        )
        return await self._read(Room, "POST", "/rooms", body=body)

    async def change(self, room_id: int, *, etag: str, **changes: Any) -> RoomChange:
        """Change what is named, if nobody else did since `etag` was read. Raises PreconditionFailedError.

        Accepted reservations that the new rules would refuse stay, and are listed.
        """
        path = f"/rooms/{segment(room_id)}"
        return await self._read(RoomChange, "PATCH", path, body=changes, headers=if_match(etag))

    async def close(
        self,
        room_id: int,
        *,
        reason: str,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        first_date: date | None = None,
        last_date: date | None = None,
        force: bool | None = None,
    ) -> Closure:
        """Close a room from moment to moment, or for whole days by its clock, the last one included.

        Raises ConflictError that lists the live reservations inside (`facts["reservations"]`), unless `force` cancels
        them.
        """
        body = given(
            starts_at=starts_at, ends_at=ends_at, first_date=first_date, last_date=last_date, reason=reason, force=force
        )
        return await self._read(Closure, "POST", f"/rooms/{segment(room_id)}/closures", body=body)

    def closures(
        self, room_id: int, *, starts_from: datetime | None = None, until: datetime | None = None, page: int = 200
    ) -> Pages[Closure]:
        """Return a room's closures that touch this time."""
        query = given(**{"from": starts_from, "to": until}, limit=page)
        return self._pages(f"/rooms/{segment(room_id)}/closures", Closure, query)

    async def sites(self) -> tuple[Site, ...]:
        """Return the places that have rooms."""
        return (await self._read(Page[Site], "GET", "/sites")).items

    async def open_again(self, room_id: int, closure_id: str) -> None:
        """Take a closure back."""
        await self._ask("DELETE", f"/rooms/{segment(room_id)}/closures/{segment(closure_id)}")

    async def retire(self, room_id: int, *, reason: str, force: bool | None = None) -> RetiredRoom:
        """Close a room from now on, for ever. Raises ConflictError like `close`."""
        path = f"/rooms/{segment(room_id)}/retire"
        return await self._read(RetiredRoom, "POST", path, body=given(reason=reason, force=force))

    async def reinstate(self, room_id: int) -> Room:
        """Make a retired room bookable again."""
        return await self._read(Room, "POST", f"/rooms/{segment(room_id)}/reinstate")

    async def availability(self, room_id: int, first: date, last: date | None = None) -> Availability:
        """Return when a room is free and when not, for a day or up to 31 days by its own clock."""
        query = given(date=first) if last is None else given(first_date=first, last_date=last)
        return await self._read(Availability, "GET", f"/rooms/{segment(room_id)}/availability", query=query)
