"""`yoyaku cancel ID`: gives a reservation up."""

from enum import StrEnum
from typing import Annotated

import typer

from yoyaku.client.client import Client
from yoyaku.client.commands.finding import find_reservation
from yoyaku.client.commands.options import DEFAULT_URL, Json, Url
from yoyaku.client.commands.running import run
from yoyaku.client.commands.screen import Screen
from yoyaku.client.commands.showing import room_names, show_done


class Reason(StrEnum):
    """Why a reservation is given up."""

    POSTPONED = "postponed"
    CALLED_OFF = "called_off"
    PARTICIPANT_UNAVAILABLE = "participant_unavailable"
    ROOM_CHANGE = "room_change"
    MAINTENANCE = "maintenance"
    EMERGENCY = "emergency"
    OTHER = "other"


def cancel(
    reservation: Annotated[str, typer.Argument(help="The id, or its begin or end as `my` shows it.", metavar="ID")],
    *,
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.CALLED_OFF,
    comment: Annotated[str | None, typer.Option(help="In your words; required for somebody else's.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Give a reservation up; its time is free again at once."""
    screen = Screen(url, as_json=as_json)

    async def work(client: Client) -> None:
        found = await find_reservation(client, reservation)
        cancelled = await client.reservations.cancel(found.id, reason=reason.value, comment=comment)
        names = {} if as_json else await room_names(client)
        show_done(screen, "cancelled", cancelled, names.get(found.room_id, str(found.room_id)))

    run(screen, work)
