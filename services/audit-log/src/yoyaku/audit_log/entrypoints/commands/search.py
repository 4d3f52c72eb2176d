"""`yoyaku audit entries`: entries in order of their positions."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    PIPED_WIDTH,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    err,
)
from yoyaku.audit_log.entrypoints.entries_table import short_table, whole_table
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchReply, AuditLogSearchRequest
from yoyaku.messaging.topology import OPERATOR


def entries_command(
    *,
    after: Annotated[int, typer.Option("--after", min=-1, help="Entries after this position; -1 from the start.")] = -1,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many entries.")] = 50,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this one did, e.g. person/<id>.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what is about this.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only facts of this type.")] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", help="Only one request's story.")] = None,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Read entries in order of their positions."""
    question = AuditLogSearchRequest(
        requested_by=OPERATOR,
        after_position=after,
        limit=limit,
        actor=actor,
        subject=subject,
        type=event_type,
        correlation_id=correlation,
    )

    async def ask(log: AuditLog) -> AuditLogSearchReply:
        return await log.ask(RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply)

    reply = asked(data, ask)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    terminal = sys.stdout.isatty()
    out = Console(width=None if terminal else PIPED_WIDTH)
    out.print(short_table(reply.entries, out.width) if terminal else whole_table(reply.entries))
    if reply.next_after_position is not None:
        err.print(f"more: --after {reply.next_after_position}")
