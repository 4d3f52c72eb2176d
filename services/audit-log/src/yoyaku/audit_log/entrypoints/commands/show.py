"""`yoyaku audit show` and `yoyaku audit prove`: one entry, and the file that proves it anywhere."""

import asyncio
import base64
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    EXIT_USAGE,
    PIPED_WIDTH,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    fail,
    tell,
    trusting,
)
from yoyaku.audit_log.entrypoints.entry_view import entry_view
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SHOW_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    AuditLogShowReply,
    AuditLogShowRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
)
from yoyaku.messaging.topology import OPERATOR

PATIENCE_SECONDS: Final = 10.0
"""How long a proof is waited for; a checkpoint covers an entry within about a second."""
_AGAIN_SECONDS: Final = 0.5

EntryArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help="The id of the event, or the position of the entry.")
]


def show_command(entry: EntryArgument, *, as_json: JsonOption = False, data: DataOption = DATA) -> None:
    """Show one entry whole. That you looked is recorded."""
    question = _question(entry)

    async def ask(log: AuditLog) -> AuditLogShowReply:
        return await log.ask(RPC_AUDIT_LOG_SHOW_V1, question, AuditLogShowReply)

    reply = asked(data, ask)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else PIPED_WIDTH).print(entry_view(reply))


def prove_command(
    entry: EntryArgument,
    *,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to write it; entry-<position>.tlog-proof here.")
    ] = None,
    data: DataOption = DATA,
) -> None:
    """Write a file that proves one entry to anybody who has the log's public key. That you asked is recorded."""
    question = _question(entry)

    async def ask(log: AuditLog) -> tuple[AuditLogShowReply, str]:
        reply = await log.ask(RPC_AUDIT_LOG_SHOW_V1, question, AuditLogShowReply)
        for _ in range(int(PATIENCE_SECONDS / _AGAIN_SECONDS)):
            if reply.proof is not None:
                break
            await asyncio.sleep(_AGAIN_SECONDS)
            reply = await log.ask(RPC_AUDIT_LOG_SHOW_V1, question, AuditLogShowReply)
        standing = await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
        return reply, trusting(standing.verifier_keys, standing.witness_keys)

    reply, trusted = asked(data, ask)
    if reply.proof is None:
        fail(f"no checkpoint covers entry {reply.entry.position} yet; try again in a moment", EXIT_REFUSED)
    path = to or Path(f"entry-{reply.entry.position}.tlog-proof")
    try:
        path.write_text(reply.proof, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}", EXIT_REFUSED)
    typer.echo(str(path))
    size = len(base64.b64decode(reply.leaf))
    tell(f"entry {reply.entry.position}, {size} bytes")
    tell(f"check it: yoyaku audit check {shlex.quote(str(path))} {trusted}")


def _question(entry: str) -> AuditLogShowRequest:
    if entry.isascii() and entry.isdigit() and len(entry) < len(str(2**63)):
        return AuditLogShowRequest(requested_by=OPERATOR, position=int(entry))
    if not 0 < len(entry) <= 128 or "\x00" in entry:
        fail("an event id has 1 to 128 characters", EXIT_USAGE)
    return AuditLogShowRequest(requested_by=OPERATOR, event_id=entry)
