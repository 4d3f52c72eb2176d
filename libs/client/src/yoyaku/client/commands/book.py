"""`yoyaku book ROOM`: books a room."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.finding import day_of, find_room
from yoyaku.client.commands.options import DEFAULT_URL, Date, For, From, Json, To, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.showing import show_done
from yoyaku.client.commands.times import read_interval


def book(
    room: Annotated[str, typer.Argument(help="Id or name.", metavar="ROOM")],
    *,
    start: From,
    end: To = None,
    length: For = None,
    date: Date = None,
    title: Annotated[str | None, typer.Option(help="What it is for; shown to you and to administrators.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Book a room. When the time is taken, other times are offered with the command that books each."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        found = await find_room(client, room)
        zone = ZoneInfo(found.time_zone)
        starts_at, ends_at = read_interval(start, end, length, zone=zone, day=day_of(date, zone))
        placed = await client.reservations.place(
            room_id=found.id, starts_at=starts_at, ends_at=ends_at, title=title or screen.say("meeting")
        )
        show_done(screen, "booked", placed, found.name)

    run(screen, work, offer_words=() if title is None else ("--title", title))
