"""`yoyaku audit keys`: the log's signing keys. They rotate with overlap: every key of the file signs.

`list` prints what verifiers are told (vkeys); `new` adds a key; `retire` takes one away once the witness has cosigned
what another one signed. A running service reads the file again by itself, and so does the witness with the file of the
public keys beside.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from yoyaku.audit_log.domain.new_entry import origin_of
from yoyaku.audit_log.entrypoints.commands.asking import (
    DATA,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    DataOption,
    JsonOption,
    audit_log_of,
    err,
    fail,
)
from yoyaku.audit_log.entrypoints.watching import Asking
from yoyaku.audit_log.wiring.keys import (
    KeyFileError,
    KeyNotRetiredError,
    add_key,
    file_for_witness,
    retire_key,
    retired_verifier_keys,
    staying_keys,
    verifier_keys,
)
from yoyaku.contracts.rpc import (
    RPC_AUDIT_LOG_CHECKPOINT_V1,
    RPC_AUDIT_LOG_STATUS_V1,
    RPC_SECURITY_DETECTOR_COSIGNED_V1,
    AuditLogCheckpointReply,
    AuditLogCheckpointRequest,
    AuditLogStatusReply,
    AuditLogStatusRequest,
    CosignedReply,
    CosignedRequest,
)
from yoyaku.messaging.administration import BusUnreachableError
from yoyaku.messaging.broker import BusError
from yoyaku.messaging.rpc import RpcFailedError, RpcUnavailableError
from yoyaku.tlog.checkpoint import open_checkpoint
from yoyaku.tlog.errors import TlogError
from yoyaku.tlog.keys import VerifierKey

KEYS_OF_DATA: Final = Path("secrets/audit-signing.keys")
"""Where a system that runs by `yoyaku up` has its signing keys, below its data folder."""

keys_app = typer.Typer(no_args_is_help=True, help="The log's signing keys: list, new, retire.")

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The file of seeds; else that of the data folder.", metavar="FILE")
]
EnvironmentOption = Annotated[str, typer.Option("--environment", help="As in AUDIT_LOG_ENVIRONMENT.")]
EpochOption = Annotated[int, typer.Option("--epoch", min=1, help="Which epoch of the log the keys are named for.")]


@keys_app.command("list")
def list_command(
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    as_json: JsonOption = False,
    data: DataOption = DATA,
) -> None:
    """Print the public keys (vkeys), one a line: those that sign, in their order, then the retired ones."""
    origin = origin_of(environment, epoch)
    try:
        keys = [key.vkey for key in verifier_keys(_file(file, data), origin)]
        retired = [key.vkey for key in retired_verifier_keys(_file(file, data), origin)]
    except KeyFileError as error:
        fail(str(error), EXIT_USAGE)
    if as_json:
        typer.echo(json.dumps({"signing": keys, "retired": retired}, indent=2))
        return
    typer.echo("\n".join([*keys, *(f"{vkey}  retired" for vkey in retired)]))
    err.print("witness keys: yoyaku security witness")


@keys_app.command("new")
def new_command(
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    data: DataOption = DATA,
) -> None:
    """Add a new key and print its vkey; from now on checkpoints have its signature, too."""
    path = _file(file, data)
    try:
        typer.echo(add_key(path, origin_of(environment, epoch)).vkey)
    except (KeyFileError, OSError) as error:
        fail(str(error), EXIT_USAGE)
    if file_for_witness(path) is None:
        err.print(
            "no file of public keys lies beside: bring this key into the witness's own file before one is retired"
        )


@keys_app.command("retire")
def retire_command(
    key_id: Annotated[str, typer.Argument(help="The eight hexadecimal digits in the vkey, after the first plus.")],
    *,
    file: FileOption = None,
    environment: EnvironmentOption = "development",
    epoch: EpochOption = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the witness has not cosigned what another key signed.")
    ] = False,
    data: DataOption = DATA,
) -> None:
    """Take a key away: it signs no more. What it signed stays valid for who knows its vkey.

    On an idle log make an entry first (`yoyaku audit search --limit 1`), so that a key that stays has signed one.
    """
    path, origin = _file(file, data), origin_of(environment, epoch)
    try:
        number = int(key_id, 16)
    except ValueError:
        fail(f"not a key id of eight hexadecimal digits: {key_id}", EXIT_USAGE)
    try:
        staying = staying_keys(path, origin, number)
        if not force:
            _check_known(data, staying)
        typer.echo(retire_key(path, origin, number).vkey)
    except KeyNotRetiredError as error:
        fail(str(error), EXIT_REFUSED)
    except (KeyFileError, OSError) as error:
        fail(str(error), EXIT_USAGE)


def _check_known(data: Path, staying: Sequence[VerifierKey]) -> None:
    async def ask() -> str | None:
        async with audit_log_of(data) as log:
            return await why_not_retired(log, staying)

    try:
        why = asyncio.run(ask())
    except (RpcFailedError, BusUnreachableError, BusError, RpcUnavailableError, TimeoutError, OSError) as error:
        cause = str(error) or "the bus does not answer"
        fail(f"whether the witness knows a key that stays cannot be asked: {cause}. Or --force", EXIT_UNREACHABLE)
    if why is not None:
        fail(f"{why}. Or --force, and cosigning may stop", EXIT_REFUSED)


async def why_not_retired(log: Asking, staying: Sequence[VerifierKey]) -> str | None:
    """Say why only these keys must not sign yet: none of them signed the newest checkpoint that is cosigned.

    The witness keeps the signatures that it has verified, and no others: what stands there is by a key that it knows.
    Of a log without witnesses the newest checkpoint counts. Raises RpcUnavailableError, RpcFailedError.
    """
    standing = await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)
    note: str | None
    if standing.witness_keys:
        what, question = "cosigned checkpoint", CosignedRequest(origin=standing.origin)
        note = (await log.ask(RPC_SECURITY_DETECTOR_COSIGNED_V1, question, CosignedReply)).note
    else:
        what = "checkpoint"
        newest = await log.ask(RPC_AUDIT_LOG_CHECKPOINT_V1, AuditLogCheckpointRequest(), AuditLogCheckpointReply)
        note = newest.note
    if note is None:
        return f"the witness has cosigned nothing of {standing.origin} yet"
    keys = [VerifierKey(standing.origin, key.algorithm, key.public_key) for key in staying]
    try:
        open_checkpoint(note, origin=standing.origin, log_keys=keys)
    except TlogError:
        return (
            f"the newest {what} bears no signature of a key that stays; wait for the next one, a second after the next "
            "entry (`yoyaku audit search --limit 1` makes one)"
        )
    return None


def _file(file: Path | None, data: Path) -> Path:
    return data / KEYS_OF_DATA if file is None else file
