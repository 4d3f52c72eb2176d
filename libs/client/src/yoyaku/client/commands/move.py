"""`yoyaku move ID`: changes when, where or what a reservation is."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.finding import find_reservation, find_room
from yoyaku.client.commands.options import DEFAULT_URL, Date, For, Json, To, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.showing import show_done
from yoyaku.client.commands.times import later, read_date, read_interval, read_moment
from yoyaku.client.models.reservations import Reservation


def move(
    reservation: Annotated[str, typer.Argument(help="The id, or its begin or end as `my` shows it.", metavar="ID")],
    *,
    start: Annotated[
        str | None, typer.Option("--from", help="New begin; without an end, it stays as long.", metavar="TIME")
    ] = None,
    end: To = None,
    length: For = None,
    date: Date = None,
    room: Annotated[str | None, typer.Option(help="New room, by id or name.", metavar="ROOM")] = None,
    title: Annotated[str | None, typer.Option(help="New title.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Change a reservation. When somebody else changed it meanwhile, nothing happens and you are told."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        if not any((start, end, length, date, room, title)):
            raise UsageError("nothing-to-move")
        found = await find_reservation(client, reservation)
        target = await find_room(client, room if room is not None else str(found.room_id))
        zone = ZoneInfo(target.time_zone)
        starts_at, ends_at = _when(found, zone, start=start, end=end, length=length, date=date)
        moved = await client.reservations.reschedule(
            found.id,
            etag=found.etag,
            starts_at=starts_at,
            ends_at=ends_at,
            room_id=None if room is None else target.id,
            title=title,
        )
        show_done(screen, "moved", moved, target.name)

    run(screen, work)


def _when(
    found: Reservation, zone: ZoneInfo, *, start: str | None, end: str | None, length: str | None, date: str | None
) -> tuple[datetime | None, datetime | None]:
    """Return the new begin and end; what is not said stays as it is. Raises UsageError."""
    if not any((start, end, length, date)):
        return None, None
    local = found.starts_at.astimezone(zone)
    day = local.date() if date is None else read_date(date, today=datetime.now(zone).date())
    begin = start or f"{local:%H:%M}"
    if end is None and length is None:
        starts_at = read_moment(begin, zone=zone, day=day)
        return starts_at, later(starts_at, found.ends_at - found.starts_at)
    return read_interval(begin, end, length, zone=zone, day=day)
