"""`yoyaku rooms`: which rooms there are."""

from datetime import datetime
from typing import Annotated

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.exits import UsageError
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.times import read_moment
from yoyaku.client.models.rooms import Room


def rooms(
    *,
    site: Annotated[str | None, typer.Option(help="Only rooms of this site.")] = None,
    capacity: Annotated[int | None, typer.Option(min=1, help="Only rooms with at least so many seats.")] = None,
    feature: Annotated[list[str] | None, typer.Option(help="Only rooms that have this; may be repeated.")] = None,
    free_from: Annotated[
        str | None, typer.Option(help="Only rooms free from here to --free-to; local time is this machine's.")
    ] = None,
    free_to: Annotated[str | None, typer.Option(help="See --free-from.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List the rooms that can be booked."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        begin, end = _window(free_from, free_to)
        pages = client.rooms.list(site=site, capacity=capacity, features=feature or (), free_from=begin, free_to=end)
        found = [room async for room in pages if room.active]
        if as_json:
            screen.document(found)
        elif not found:
            screen.note(screen.say("no-rooms"))
        else:
            _show(screen, found)

    run(screen, work)


def _show(screen: Screen, found: list[Room]) -> None:
    headings = [screen.say(name) for name in ("id", "room", "site", "seats", "features", "zone")]
    rows = [
        (str(room.id), room.name, room.site, str(room.capacity), ", ".join(room.features), room.time_zone)
        for room in found
    ]
    screen.table(headings, rows, right=(0, 3))


def _window(free_from: str | None, free_to: str | None) -> tuple[datetime | None, datetime | None]:
    if free_from is None and free_to is None:
        return None, None
    if free_from is None or free_to is None:
        raise UsageError("free-both")
    now = datetime.now().astimezone()
    begin = read_moment(free_from, zone=None, day=now.date())
    end = read_moment(free_to, zone=None, day=begin.astimezone().date())
    if end <= begin:
        raise UsageError("end-before-start")
    return begin, end
