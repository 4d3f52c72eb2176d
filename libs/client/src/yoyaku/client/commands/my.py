"""`yoyaku my`: the own reservations."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.showing import room_names, show_reservations


def my(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also past and cancelled ones.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List your reservations that are still to come or running, by each room's clock."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        now = datetime.now(UTC)
        if everything:
            found = await client.reservations.mine().all()
        else:
            coming = client.reservations.mine(starts_from=now, status="confirmed")
            found = [one async for one in coming if one.ends_at > now]
        if as_json:
            screen.document(found)
        elif not found:
            screen.note(screen.say("no-bookings-at-all" if everything else "no-bookings"))
        else:
            show_reservations(screen, found, await room_names(client))

    run(screen, work)
