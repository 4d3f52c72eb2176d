"""`yoyaku audit search` and `yoyaku audit story`: entries in order of their positions."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    EXIT_USAGE,
    PIPED_WIDTH,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    err,
    fail,
)
from yoyaku.audit_log.entrypoints.entries_table import short_table, story_table, whole_table
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEARCH_V1,
    AuditEntry,
    AuditLogSearchReply,
    AuditLogSearchRequest,
    AuditResult,
)
from yoyaku.messaging.topology import OPERATOR

_TIME = "as 2026-11-24T09:00:00Z, 2026-11-24T18:00+09:00, or 2026-11-24 (UTC)"


def search_command(
    *,
    after: Annotated[
        int, typer.Option("--after", min=-1, help="Go on after this position (with --newest: before it).")
    ] = -1,
    until: Annotated[int | None, typer.Option("--until", min=-1, help="Nothing after this position.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many entries.")] = 50,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this one did, e.g. person/<id>.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what is about this.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only facts of this type.")] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", help="Only one request's story.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Only this event.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="Only what came from this address.")] = None,
    result: Annotated[AuditResult | None, typer.Option("--result", help="Only what ended so.")] = None,
    occurred_from: Annotated[
        str | None, typer.Option("--occurred-from", metavar="TIME", help=f"Facts since then, {_TIME}.")
    ] = None,
    occurred_before: Annotated[
        str | None, typer.Option("--occurred-before", metavar="TIME", help="Facts before then.")
    ] = None,
    recorded_from: Annotated[
        str | None, typer.Option("--recorded-from", metavar="TIME", help="Entries recorded since then.")
    ] = None,
    recorded_before: Annotated[
        str | None, typer.Option("--recorded-before", metavar="TIME", help="Entries recorded before then.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Find entries; every given condition must hold. That you looked is recorded."""
    try:
        question = AuditLogSearchRequest(
            requested_by=OPERATOR,
            after_position=after,
            up_to_position=until,
            limit=limit,
            newest_first=newest,
            actor=actor,
            subject=subject,
            type=event_type,
            correlation_id=correlation,
            event_id=event,
            client_address=client,
            result=result,
            occurred_from=moment(occurred_from, "--occurred-from"),
            occurred_before=moment(occurred_before, "--occurred-before"),
            recorded_from=moment(recorded_from, "--recorded-from"),
            recorded_before=moment(recorded_before, "--recorded-before"),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fail(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}", EXIT_USAGE)

    async def ask(log: AuditLog) -> AuditLogSearchReply:
        return await log.ask(RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)

    reply = asked(data, ask)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    draw(lambda width: short_table(reply.entries, width), whole_table(reply.entries))
    if reply.next_after_position is not None:
        err.print(f"more: --after {reply.next_after_position} --until {reply.up_to_position}")
    elif not reply.entries:
        err.print("nothing found")


def story_command(
    correlation_id: Annotated[
        str, typer.Argument(metavar="CORRELATION_ID", help="Of any of its entries; the trace id of the request.")
    ],
    *,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Tell what one request caused in all services, in order. That you looked is recorded."""

    async def ask(log: AuditLog) -> list[AuditEntry]:
        entries: list[AuditEntry] = []
        after: int | None = -1
        up_to: int | None = None
        while after is not None:
            question = AuditLogSearchRequest(
                requested_by=OPERATOR,
                after_position=after,
                up_to_position=up_to,
                limit=500,
                correlation_id=correlation_id,
                kind="story",
            )
            page = await log.ask(RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)
            entries += page.entries
            after, up_to = page.next_after_position, page.up_to_position
        return entries

    try:
        entries = asked(data, ask)
    except ValidationError:
        fail("a correlation id has 1 to 512 characters", EXIT_USAGE)
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2, ensure_ascii=False))
    elif entries:
        draw(lambda width: story_table(entries, width), story_table(entries, PIPED_WIDTH))
    if not entries:
        fail(f"no entry has the correlation id {correlation_id}", EXIT_REFUSED)


def draw(for_people: Callable[[int], RenderableType], for_programs: RenderableType) -> None:
    """Print the one on a terminal, by its width, and the other when piped."""
    if sys.stdout.isatty():
        out = Console()
        out.print(for_people(out.width))
    else:
        Console(width=PIPED_WIDTH).print(for_programs)


def moment(text: str | None, option: str) -> datetime | None:
    """Read a time of the command line; a day is its first moment in UTC."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no time; write it {_TIME}", EXIT_USAGE)
    if found.tzinfo is None:
        if len(text) > len("2026-11-24"):
            fail(f"{option}: {text!r} does not say its offset from UTC; write it {_TIME}", EXIT_USAGE)
        found = found.replace(tzinfo=UTC)
    return found
