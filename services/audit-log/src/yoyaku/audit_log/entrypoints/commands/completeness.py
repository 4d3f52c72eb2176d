"""`yoyaku audit completeness`: up to which number each source is recorded, and what is missing.

Exit code 1 when something is missing or lost, so that a script notices.
"""

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    PIPED_WIDTH,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    fail,
    tell,
)
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusReply, AuditLogStatusRequest

PART = "completeness"


def completeness_command(*, as_json: JsonOption = False, data: DataOption = DATA) -> None:
    """Tell up to which number each source is complete, and which numbers are missing."""

    async def ask(log: AuditLog) -> AuditLogStatusReply:
        return await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)

    part: dict[str, Any] | None = asked(data, ask).parts.get(PART)
    if part is None:
        fail("the audit log that answered knows nothing of completeness: is it of an older version?", EXIT_REFUSED)
    if as_json:
        typer.echo(json.dumps(part, indent=2, ensure_ascii=False))
    else:
        _show(part)
    if part["open_gaps"]:
        raise typer.Exit(EXIT_REFUSED)


def _show(part: dict[str, Any]) -> None:
    out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    out.print(_sources(part["sources"]))
    if part["gaps"]:
        out.print()
        out.print(_gaps(part["gaps"]))
    if part["looked_at"] is None:
        tell("no look was taken yet")
    else:
        stated = f"stated at {part['stated_at'][:19]}Z" if part["stated_at"] else "not stated yet"
        tell(f"looked at {part['looked_at'][:19]}Z, {stated}")
    for service in part["unanswered"]:
        tell(f"{service} did not answer: what it published last may be missing unseen", style="yellow")


def _sources(sources: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Source", no_wrap=True)
    for name in ("Complete to", "Recorded to", "Lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in sources:
        is_whole = one["complete_to"] >= one["highest"]
        style = "" if is_whole and not one["lost"] else "yellow"
        table.add_row(
            Text(one["source"]), str(one["complete_to"]), str(one["highest"]), str(one["lost"] or ""), style=style
        )
    return table


def _gaps(gaps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Missing of", "Numbers", "Reason", "Found (UTC)", "Asked"):
        table.add_column(name, no_wrap=True)
    for one in gaps:
        first, last = one["first_number"], one["last_number"]
        table.add_row(
            Text(one["source"]),
            str(first) if first == last else f"{first} to {last}",
            Text(one["reason"]),
            one["found_at"][:19],
            f"{one['asked_count']} times" if one["asked_count"] else "",
        )
    return table
