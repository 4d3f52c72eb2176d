"""`yoyaku audit export`: the log as files that anybody can check, with any client of C2SP tlog-tiles."""

import base64
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from yoyaku.audit_log.domain.files import NoSuchFileError
from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    AuditLog,
    DataOption,
    asked,
    fail,
    tell,
    trusting,
)
from yoyaku.audit_log.entrypoints.commands.export_folder import ExportFolder
from yoyaku.audit_log.usecases.export_log import ExportLog, ExportRefusedError, Progress
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_FILE_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogFileReply,
    AuditLogFileRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
)
from yoyaku.messaging.rpc import RpcFailedError
from yoyaku.messaging.topology import OPERATOR
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey

FILE_SECONDS = 60.0
NOT_FOUND = "not_found"


def export_command(
    *,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Where it goes: a new folder, or an older export of this log.")
    ],
    epoch: Annotated[int | None, typer.Option("--epoch", min=1, help="Of an older tree; the newest.")] = None,
    data: DataOption = DATA,
) -> None:
    """Write entries, tiles and checkpoints up to the newest checkpoint. What is whole in DIR already is kept."""

    async def export(log: AuditLog) -> tuple[AuditLogCheckpointReply, Progress, str]:
        standing = await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
        newest = await log.ask(
            RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest(epoch=epoch), AuditLogCheckpointReply
        )
        with _bar() as bar:
            task = bar.add_task("exporting", total=None)
            exporting = ExportLog(
                FilesOfLog(log, newest.epoch),
                ExportFolder(to),
                lambda progress: bar.update(task, completed=progress.done, total=progress.total),
            )
            done = await exporting(newest.note)
        keys = [VerifierKey.parse(key) for key in standing.verifier_keys]
        named = [VerifierKey(newest.origin, key.algorithm, key.public_key).vkey for key in keys]
        return newest, done, trusting(named, standing.witness_keys)

    try:
        newest, done, trusted = asked(data, export)
    except (ExportRefusedError, TlogError) as error:
        fail(f"{to}: {error}", EXIT_REFUSED)
    typer.echo(f"{newest.origin}: {newest.size} entries in {to}")
    gone = f", {done.gone} bundles of deleted entries are gone" if done.gone else ""
    tell(f"{done.written} files written, {done.kept} kept, {done.checkpoints} checkpoints, {done.bodies} bodies{gone}")
    if done.damaged:
        tell(f"{done.damaged} files are missing or not whole", style="red")
    tell(f"check it: yoyaku audit verify {shlex.quote(str(to))} {trusted}")


class FilesOfLog:
    """The files of one epoch, asked for part by part."""

    def __init__(self, log: AuditLog, epoch: int) -> None:
        self._log = log
        self._epoch = epoch

    async def read(self, path: str) -> bytes:
        """Return a file whole. Raises NoSuchFileError, RpcFailedError, RpcUnavailableError."""
        content = bytearray()
        while True:
            question = AuditLogFileRequest(requested_by=OPERATOR, path=path, epoch=self._epoch, offset=len(content))
            try:
                part = await self._log.ask(
                    RPC_AUDIT_LOG_FILE_V1, question, AuditLogFileReply, within_seconds=FILE_SECONDS
                )
            except RpcFailedError as error:
                if error.code == NOT_FOUND:
                    raise NoSuchFileError(error.detail) from None
                raise
            piece = base64.b64decode(part.content)
            content += piece
            if len(content) >= part.size_bytes or not piece:
                return bytes(content)


@contextmanager
def _bar() -> Iterator[Bar]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield bar
