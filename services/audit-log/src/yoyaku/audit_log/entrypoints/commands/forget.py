"""`yoyaku audit forget`: destroy the key of a person or an address, for ever."""

import json
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_USAGE,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    err,
    fail,
)
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_FORGET_V1, AuditLogForgetReply, AuditLogForgetRequest
from yoyaku.messaging.topology import OPERATOR


def forget_command(
    who: Annotated[str, typer.Argument(metavar="WHO", help="person/<id>, or address/<client address>.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Make what the log holds of somebody unreadable for ever. Entries and proofs stay; that you did it is recorded."""
    try:
        question = AuditLogForgetRequest(requested_by=OPERATOR, key_reference=who)
    except ValidationError:
        fail("somebody is named with 1 to 200 characters", EXIT_USAGE)
    if not yes:
        if not sys.stdin.isatty():
            fail("nobody is there to ask; give --yes when it is meant", EXIT_USAGE)
        typer.confirm(f"Destroy the key of {who}? Nobody will ever read what it sealed again.", abort=True)

    async def ask(log: AuditLog) -> AuditLogForgetReply:
        return await log.ask(RPC_AUDIT_LOG_FORGET_V1, question, AuditLogForgetReply)

    reply = asked(data, ask)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), ensure_ascii=False))
        return
    typer.echo(reply.key_reference)
    err.print("the key is destroyed" if reply.was_known else "there was no key; none will be made", highlight=False)
