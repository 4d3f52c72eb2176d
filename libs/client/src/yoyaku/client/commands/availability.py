"""`yoyaku availability ROOM`: when a room is free."""

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.finding import day_of, find_room
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen, hours
from yoyaku.client.models.rooms import Availability

MAX_DAYS = 31


def availability(
    room: Annotated[str, typer.Argument(help="Id or name.", metavar="ROOM")],
    date: Annotated[
        str | None, typer.Argument(help="2026-12-01, today or tomorrow, by the room's clock.", metavar="DATE")
    ] = None,
    *,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="So many days from that one.")] = 1,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show when a room is free and when it is not, by its own clock."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        found = await find_room(client, room)
        first = day_of(date, ZoneInfo(found.time_zone))
        last = None if days == 1 else first + timedelta(days=days - 1)
        answer = await client.rooms.availability(found.id, first, last)
        if as_json:
            screen.document(answer)
            return
        if screen.terminal:
            screen.line((found.name, "bold"), f"  {found.site}  {found.time_zone}")
        _show(screen, answer)

    run(screen, work)


def _show(screen: Screen, answer: Availability) -> None:
    rows = []
    for day in answer.days:
        parts = [(free, "free") for free in day.free] + [(busy, busy.kind) for busy in day.busy]
        parts.sort(key=lambda part: part[0].starts_at)
        rows += [
            (screen.day(part.starts_at_local), hours(part.starts_at_local, part.ends_at_local), screen.kind(kind))
            for part, kind in parts
        ]
    screen.table([screen.say("date"), screen.say("time"), screen.say("what")], rows)
