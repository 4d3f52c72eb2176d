"""What is offered when a wish cannot be met: a table, and the command that books each."""

from collections.abc import Sequence

from rich.cells import cell_len

from yoyaku.client.commands.screen import Screen, hours
from yoyaku.client.models.reservations import Alternative


def show_offers(screen: Screen, offers: Sequence[Alternative], *, words: Sequence[str] = ()) -> None:
    """Show free times on standard error, each with its command; a command is never broken over lines."""
    if not offers:
        return
    screen.err.print(screen.say("free-instead"))
    rows = [
        (offer.room_name, screen.day(offer.starts_at_local), hours(offer.starts_at_local, offer.ends_at_local))
        for offer in offers
    ]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(3)]
    commands = [booking_command(screen, offer, words) for offer in offers]
    longest = sum(widths) + 8 + max(cell_len(command) for command in commands)
    beside = longest <= screen.err.width
    for row, command in zip(rows, commands, strict=True):
        cells = "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        screen.err.print(f"  {cells}" + (f"  {command}" if beside else ""), markup=False)
        if not beside:
            screen.err.print(f"    {command}", markup=False, style="bold")


def booking_command(screen: Screen, offer: Alternative, words: Sequence[str]) -> str:
    """Return the command that books an offer."""
    local, minutes = offer.starts_at_local, round((offer.ends_at - offer.starts_at).total_seconds() / 60)
    begin = f"{local:%Y-%m-%d %H:%M}"
    return screen.command("book", str(offer.room_id), "--from", begin, "--for", f"{minutes}m", *words)
