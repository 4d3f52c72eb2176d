"""`yoyaku audit checkpoint`: what the log signed last, and the proof that it extends what it signed before."""

import base64
import json
from collections.abc import Iterable
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
    fail,
    tell,
)
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_CONSISTENCY_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogConsistencyReply,
    AuditLogConsistencyRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
)
from yoyaku.tlog.checkpoint import Checkpoint
from yoyaku.tlog.errors import InvalidSignatureError, MalformedError, MalformedKeyError, ProofError, UnverifiedNoteError
from yoyaku.tlog.keys import VerifierKey
from yoyaku.tlog.merkle import verify_consistency
from yoyaku.tlog.note import Note, parse_note, verify

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
    signed: list[bool] = []
    note, old = (None, None) if since is None else _kept(since)

    async def ask(log: AuditLog) -> tuple[AuditLogCheckpointReply, AuditLogConsistencyReply | None]:
        if note is not None:
            standing = await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
            signed.append(check_signed(note, standing.verifier_keys, f"{since}"))
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
        _extends(old, newest, consistency, EXIT_REFUSED if all(signed) else EXIT_USAGE)
        told |= {"since": old.size, "proof": list(consistency.proof) if consistency else []}
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    typer.echo(newest.note, nl=False)
    if old is not None:
        tell(f"the log of {newest.size} entries begins with the {old.size} of {since}")


def _extends(
    old: Checkpoint, newest: AuditLogCheckpointReply, consistency: AuditLogConsistencyReply | None, code: int
) -> None:
    """Check it here, whoever computed the proof; the newest one's signatures are `yoyaku audit verify`'s to judge."""
    if old.origin != newest.origin:
        fail(f"that checkpoint is of {old.origin}, this log is {newest.origin}", code)
    if consistency is None:
        fail(f"that checkpoint has {old.size} entries, this log only {newest.size}: it was cut off", code)
    try:
        new = Checkpoint.parse(parse_note(newest.note).text)
        proof = [base64.b64decode(one) for one in consistency.proof]
        verify_consistency(old.size, new.size, old.root, new.root, proof)
    except (MalformedError, ProofError, ValueError) as error:
        fail(f"this log does not extend that checkpoint: {error}", code)


def check_signed(note: Note, vkeys: Iterable[str], name: str) -> bool:
    """See that the log's keys signed a kept note, before the log is blamed: a bad file ends the command with 2.

    The keys are the same ones in every epoch. False, with a warning, when none of them signed: it may be by a
    retired key, of which the running system does not tell, and nothing follows where the log contradicts it.
    """
    origin = note.text.partition("\n")[0]
    try:
        keys = [VerifierKey(origin, key.algorithm, key.public_key) for key in map(VerifierKey.parse, vkeys)]
        verify(note, keys)
    except UnverifiedNoteError:
        tell(f"{name}: none of the keys that sign now signed it; is it by a retired one?", style="yellow")
        return False
    except (InvalidSignatureError, MalformedKeyError) as error:
        fail(f"{name}: the signature does not verify: {error}", EXIT_USAGE)
    return True


def _kept(path: Path) -> tuple[Note, Checkpoint]:
    try:
        with path.open("rb") as file:
            note = parse_note(file.read(LARGEST_NOTE_BYTES))
            return note, Checkpoint.parse(note.text)
    except OSError as error:
        fail(f"{path}: {error.strerror}", EXIT_USAGE)
    except MalformedError as error:
        fail(f"{path}: {error}", EXIT_USAGE)
