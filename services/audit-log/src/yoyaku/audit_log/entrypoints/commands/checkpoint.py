"""`yoyaku audit checkpoint`: what the log signed last, and the proof that it extends what it signed before."""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    EXIT_USAGE,
    AuditLog,
    DataOption,
    JsonOption,
    asked,
    err,
    fail,
)
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
)
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import MalformedError, ProofError
from yoyaku.tlog.merkle import verify_consistency
from yoyaku.tlog.note import parse_note

LARGEST_NOTE_BYTES = 1_000_000


def checkpoint_command(
    *,
    since: Annotated[
        Path | None,
        typer.Option("--since", metavar="FILE", help="A checkpoint that you kept: prove that the log only grew since."),
    ] = None,
    epoch: Annotated[int | None, typer.Option("--epoch", min=1, help="Of an older tree.")] = None,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Print the newest checkpoint with its cosignatures. Keep it elsewhere: it shows what was cut off or rewritten."""
    old = None if since is None else _kept(since)

    async def ask(log: AuditLog) -> tuple[AuditLogCheckpointReply, AuditLogConsistencyReply | None]:
        newest = await log.ask(
            RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest(epoch=epoch), AuditLogCheckpointReply
        )
        if old is None or old.origin != newest.origin or old.size > newest.size:
            return newest, None
        question = AuditLogConsistencyRequest(epoch=newest.epoch, old_size=old.size, new_size=newest.size)
        return newest, await log.ask(RPC_AUDIT_LOG_CONSISTENCY_V1, question, AuditLogConsistencyReply)

    newest, consistency = asked(data, ask)
    told: dict[str, Any] = newest.model_dump(mode="json")
    if old is not None:
        _extends(old, newest, consistency)
        told |= {"since": old.size, "proof": list(consistency.proof) if consistency else []}
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    typer.echo(newest.note, nl=False)
    if old is not None:
        err.print(f"the log of {newest.size} entries begins with the {old.size} of {since}")


def _extends(old: Checkpoint, newest: AuditLogCheckpointReply, consistency: AuditLogConsistencyReply | None) -> None:
    """Check it here, whoever computed the proof; signatures are `yoyaku audit verify`'s to judge."""
    if old.origin != newest.origin:
        fail(f"that checkpoint is of {old.origin}, this log is {newest.origin}", EXIT_REFUSED)
    if consistency is None:
        fail(f"that checkpoint has {old.size} entries, this log only {newest.size}: it was cut off", EXIT_REFUSED)
    try:
        new = Checkpoint.parse(parse_note(newest.note).text)
        proof = [base64.b64decode(one) for one in consistency.proof]
        verify_consistency(old.size, new.size, old.root, new.root, proof)
    except (MalformedError, ProofError, ValueError) as error:
        fail(f"this log does not extend that checkpoint: {error}", EXIT_REFUSED)


def _kept(path: Path) -> Checkpoint:
    try:
        with path.open("rb") as file:
            return Checkpoint.parse(parse_note(file.read(LARGEST_NOTE_BYTES)).text)
    except OSError as error:
        fail(f"{path}: {error.strerror}", EXIT_USAGE)
    except MalformedError as error:
        fail(f"{path}: {error}", EXIT_USAGE)
