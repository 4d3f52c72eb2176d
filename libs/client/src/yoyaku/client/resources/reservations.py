"""Reservations."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from yoyaku.client.gateway import KEY_HEADER, segment
from yoyaku.client.models.reservations import HistoryEntry, Reservation
from yoyaku.client.pages import Page, Pages
from yoyaku.client.resources.resource import Resource, given, if_match


class Reservations(Resource):
    """The bookings."""

    async def place(
        self, *, room_id: int, starts_at: datetime, ends_at: datetime, title: str, key: str | None = None
    ) -> Reservation:
        """Book a room, once, however often the request has to be sent.

        `key` names the attempt; without it each call is an attempt of its own. Raises ConflictError, whose
        `alternatives` are free, and ProblemError (422) that names every broken rule in `errors`.
        """
        body = given(room_id=room_id, starts_at=starts_at, ends_at=ends_at, title=title)
        headers = {KEY_HEADER: key or str(uuid4())}
        return await self._read(Reservation, "POST", "/reservations", body=body, headers=headers)

    async def get(self, reservation_id: str) -> Reservation:
        """Return one reservation. Raises NotFoundError."""
        return await self._read(Reservation, "GET", _path(reservation_id))

    def list(
        self,
        *,
        on: date | None = None,
        starts_from: datetime | None = None,
        until: datetime | None = None,
        room_id: int | None = None,
        site: str | None = None,
        person_id: str | None = None,
        status: str | None = None,
        page: int = 200,
    ) -> Pages[Reservation]:
        """Return the reservations of a day by each room's clock (`on`), or of a time, that meet all that is named."""
        query = given(
            date=on,
            room_id=room_id,
            site=site,
            person_id=person_id,
            status=status,
            limit=page,
            **_window(starts_from, until),
        )
        return self._pages("/reservations", Reservation, query)

    def mine(
        self,
        *,
        starts_from: datetime | None = None,
        until: datetime | None = None,
        status: str | None = None,
        page: int = 200,
    ) -> Pages[Reservation]:
        """Return the caller's own reservations, the newest start last."""
        query = given(status=status, limit=page, **_window(starts_from, until))
        return self._pages("/reservations/my", Reservation, query)

    async def reschedule(
        self,
        reservation_id: str,
        *,
        etag: str,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        room_id: int | None = None,
        title: str | None = None,
    ) -> Reservation:
        """Change what is named, if nobody else did since `etag` was read.

        Raises PreconditionFailedError, and ConflictError with `alternatives` as `place` does.
        """
        body = given(starts_at=starts_at, ends_at=ends_at, room_id=room_id, title=title)
        return await self._read(Reservation, "PATCH", _path(reservation_id), body=body, headers=if_match(etag))

    async def cancel(
        self, reservation_id: str, *, reason: str = "called_off", comment: str | None = None, etag: str | None = None
    ) -> Reservation:
        """Give a reservation up. Raises ConflictError when it ended or was cancelled already."""
        body = given(reason=reason, comment=comment)
        path = f"{_path(reservation_id)}/cancel"
        return await self._read(Reservation, "POST", path, body=body, headers=if_match(etag))

    async def restore(self, reservation_id: str, *, comment: str) -> Reservation:
        """Bring a cancelled reservation back, as ADMIN. Raises ConflictError when its time is taken."""
        return await self._read(Reservation, "POST", f"{_path(reservation_id)}/restore", body=given(comment=comment))

    async def history(self, reservation_id: str) -> tuple[HistoryEntry, ...]:
        """Return every change, oldest first, as ADMIN."""
        return (await self._read(Page[HistoryEntry], "GET", f"{_path(reservation_id)}/history")).items


def _path(reservation_id: str) -> str:
    return f"/reservations/{segment(reservation_id)}"


def _window(starts_from: datetime | None, until: datetime | None) -> Mapping[str, Any]:
    return given(**{"from": starts_from, "to": until})
