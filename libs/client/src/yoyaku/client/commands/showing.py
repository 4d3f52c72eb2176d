"""How a reservation is shown: one line of facts, the same in every command."""

from collections.abc import Mapping, Sequence

from yoyaku.client.client import Client
from yoyaku.client.commands.screen import Screen, hours
from yoyaku.client.models.reservations import Reservation


async def room_names(client: Client) -> dict[int, str]:
    """Return the name of every room, retired ones included."""
    return {room.id: room.name async for room in client.rooms.list()}


def show_reservations(screen: Screen, found: Sequence[Reservation], names: Mapping[int, str]) -> None:
    """Show reservations in the order given."""
    headings = [screen.say(name) for name in ("date", "time", "room", "title", "status", "id")]
    rows = [
        (
            screen.day(one.starts_at_local),
            hours(one.starts_at_local, one.ends_at_local),
            names.get(one.room_id, str(one.room_id)),
            one.title or "",
            screen.status(one.status),
            screen.id(one.id),
        )
        for one in found
    ]
    screen.table(headings, rows)


def show_done(screen: Screen, done: str, one: Reservation, room_name: str) -> None:
    """Say what was done with a reservation; when piped, its line alone."""
    if screen.as_json:
        screen.document(one)
        return
    if not screen.terminal:
        show_reservations(screen, [one], {one.room_id: room_name})
        return
    when = f"{screen.day(one.starts_at_local)} {hours(one.starts_at_local, one.ends_at_local)}"
    screen.line((screen.say(done), "bold green"), "  ", (room_name, "bold"), f"  {when}  ", (one.time_zone, "dim"))
    if one.live:
        screen.line((screen.say("cancel-with", command=screen.command("cancel", screen.id(one.id))), "dim"))
