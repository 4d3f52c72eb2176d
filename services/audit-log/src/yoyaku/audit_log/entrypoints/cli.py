"""`yoyaku audit`: read the audit log of a running system, or run the service.

Exit codes: 0 done, 1 the audit log refused, 2 wrong usage, 3 the bus or the audit log cannot be reached.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from yoyaku.audit_log.entrypoints.entries_table import short_table, whole_table
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_SEARCH_V1, AuditLogSearchReply, AuditLogSearchRequest
from yoyaku.messaging.administration import BusUnreachableError, settings_for
from yoyaku.messaging.broker import BusError, make_broker, start_broker
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError, request
from yoyaku.messaging.settings import NatsSettings
from yoyaku.messaging.topology import OPERATOR

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
PIPED_WIDTH: Final = 400
"""Columns when nobody's terminal sets a limit: nothing is cut off for grep."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The audit log: every event, in gap-free positions.")
err = Console(stderr=True, soft_wrap=True)

DataOption = Annotated[Path, typer.Option("--data", help="Data folder of a running system.", metavar="DIR")]


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"[red]error:[/red] {message}", highlight=False)
    raise typer.Exit(code)


@app.command("entries")
def entries_command(
    *,
    after: Annotated[int, typer.Option("--after", min=-1, help="Entries after this position; -1 from the start.")] = -1,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many entries.")] = 50,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this one did, e.g. person/<id>.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what is about this.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only facts of this type.")] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", help="Only one request's story.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    data: DataOption = Path(".yoyaku"),
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
    try:
        reply = asyncio.run(_ask(settings_for(OPERATOR, data), question))
    except RpcFailedError as error:
        _fail(str(error), EXIT_REFUSED)
    except (BusUnreachableError, BusError, RpcUnavailableError, TimeoutError, OSError) as error:
        _fail(str(error) or "the bus does not answer: does the system run? See `yoyaku status`", EXIT_UNREACHABLE)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    terminal = sys.stdout.isatty()
    out = Console(width=None if terminal else PIPED_WIDTH)
    out.print(short_table(reply.entries, out.width) if terminal else whole_table(reply.entries))
    if reply.next_after_position is not None:
        err.print(f"more: --after {reply.next_after_position}")


@app.command("serve")
def serve_command() -> None:
    """Run the audit log in this process; settings come from the environment (AUDIT_LOG_...)."""
    os.execv(sys.executable, [sys.executable, "-m", "yoyaku.audit_log"])  # noqa: S606


async def _ask(settings: NatsSettings, question: AuditLogSearchRequest) -> AuditLogSearchReply:
    broker = make_broker(settings, service=OPERATOR)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await start_broker(broker)
        return await request(
            broker, RPC_AUDIT_LOG_SEARCH_V1, question, AuditLogSearchReply, timeout_seconds=ANSWER_SECONDS
        )
    finally:
        await broker.stop()
