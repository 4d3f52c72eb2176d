"""`yoyaku audit status`: how the log stands."""

import json

import typer

from yoyaku.audit_log.entrypoints.commands.asking import DATA, AuditLog, DataOption, JsonOption, asked
from yoyaku.contracts.rpc import RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusReply, AuditLogStatusRequest


def status_command(*, as_json: JsonOption = False, data: DataOption = DATA) -> None:
    """Print where the log ends, what is signed and cosigned, its public keys, and what each part of it says."""

    async def ask(log: AuditLog) -> AuditLogStatusReply:
        return await log.ask(RPC_AUDIT_LOG_STATUS_V1, AuditLogStatusRequest(), AuditLogStatusReply)

    reply = asked(data, ask)
    told = reply.model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    parts = told.pop("parts")
    for name, value in told.items():
        for line in value if isinstance(value, list) else [value]:
            typer.echo(f"{name.replace('_', ' '):18}{'-' if line is None else line}")
    for part, values in parts.items():
        for name, value in values.items():
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            typer.echo(f"{part}: {name.replace('_', ' ')}: {'-' if shown is None else shown}")
