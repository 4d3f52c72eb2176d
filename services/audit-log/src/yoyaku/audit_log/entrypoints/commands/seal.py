"""`yoyaku audit seal` and `yoyaku audit segments`: closed months into the archive, and what is there."""

import asyncio
import json
import sys
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from yoyaku.audit_log.domain.month import MalformedMonthError, Month
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
from yoyaku.audit_log.entrypoints.rpc.segments import NOT_LEADING
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_SEAL_V1,
    RPC_AUDIT_LOG_SEGMENTS_V1,
    AuditLogSealReply,
    AuditLogSealRequest,
    AuditLogSegment,
    AuditLogSegmentsReply,
    AuditLogSegmentsRequest,
)
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.messaging.topology import OPERATOR

TRIES: Final = 20
PAUSE_SECONDS: Final = 0.25


def seal_command(
    *,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Go no further than this month (UTC).")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Seal every closed month now: into the archive, read back, recorded, dropped; and delete what is over."""
    question = AuditLogSealRequest(requested_by=OPERATOR, last_month=_month(month))
    reply = asked(data, lambda log: _sealed(log, question))
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        _tell(reply)
    if reply.problem is not None:
        fail(reply.problem, EXIT_REFUSED)


def segments_command(*, as_json: JsonOption = False, data: DataOption = DATA) -> None:
    """List the sealed months, and those that were deleted after their retention."""

    async def ask(log: AuditLog) -> AuditLogSegmentsReply:
        return await log.ask(RPC_AUDIT_LOG_SEGMENTS_V1, AuditLogSegmentsRequest(), AuditLogSegmentsReply)

    reply = asked(data, ask)
    if as_json:
        typer.echo(json.dumps(reply.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    if not reply.segments:
        err.print("no month is sealed yet")
        return
    out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    out.print(_table(reply))


async def _sealed(log: AuditLog, question: AuditLogSealRequest) -> AuditLogSealReply:
    """Ask until the leader answers and its round is done."""
    tries = TRIES
    while True:
        try:
            reply = await log.ask(RPC_AUDIT_LOG_SEAL_V1, question, AuditLogSealReply)
        except RpcFailedError as error:
            tries -= 1
            if error.code != NOT_LEADING or tries == 0:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if not reply.is_running:
                return reply
            err.print("sealing goes on ...")


def _month(text: str | None) -> str | None:
    try:
        return None if text is None else str(Month.parse(text))
    except MalformedMonthError as error:
        fail(f"--month: {error}", EXIT_USAGE)


def _tell(reply: AuditLogSealReply) -> None:
    for what, months in (
        ("sealed", reply.sealed),
        ("left the database", reply.dropped),
        ("deletion recorded", reply.deleted),
        ("deleted", reply.expunged),
    ):
        for month in months:
            typer.echo(f"{month}  {what}")
    for why in reply.waiting:
        typer.echo(why)
    if not (reply.sealed or reply.dropped or reply.deleted or reply.expunged or reply.waiting or reply.problem):
        typer.echo("nothing to seal: every closed month is in the archive")


def _table(reply: AuditLogSegmentsReply) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (
        ("Month", "left"), ("Epoch", "right"), ("From", "right"), ("Entries", "right"), ("Checkpoint", "right"),
        ("Bytes", "right"), ("Sealed (UTC)", "left"), ("State", "left"),
    ):  # fmt: skip
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for one in reply.segments:
        table.add_row(
            one.month,
            str(one.epoch),
            str(one.first_position),
            str(one.entry_count),
            str(one.checkpoint_size),
            str(one.stored_bytes),
            one.sealed_at.strftime("%Y-%m-%d %H:%M"),
            _state(one),
        )
    return table


def _state(segment: AuditLogSegment) -> str:
    return "sealed" if segment.deleted_at is None else f"deleted {segment.deleted_at:%Y-%m-%d}"
