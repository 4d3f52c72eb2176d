"""Draws one entry whole: its attributes, its body, what was forgotten."""

import json
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from yoyaku.contracts.rpc import AuditEntry, AuditLogShowReply

_ATTRIBUTES = (
    ("type", "what"),
    ("result", "result"),
    ("occurred_at", "occurred"),
    ("recorded_at", "recorded"),
    ("actor", "who"),
    ("subject", "about"),
    ("client_address", "from"),
    ("event_id", "event"),
    ("correlation_id", "story"),
    ("causation_id", "caused by"),
)


def entry_view(reply: AuditLogShowReply) -> RenderableType:
    """Draw it as two columns, the body as JSON below."""
    entry = reply.entry
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("position", f"{entry.position}, epoch {reply.epoch}")
    for name, label in _ATTRIBUTES:
        value = getattr(entry, name)
        if value is not None:
            table.add_row(label, Text(_shown(value)))
        elif f"/{name}" in entry.forgotten:
            table.add_row(label, _forgotten())
    if entry.source is not None:
        table.add_row("source", Text(f"{entry.source}#{entry.number}"))
    table.add_row(
        "proof", "signed checkpoint" if reply.proof else Text("not covered by a checkpoint yet", style="yellow")
    )
    return Group(table, *_body(entry))


def _shown(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _body(entry: AuditEntry) -> list[RenderableType]:
    if entry.body is not None:
        parts: list[RenderableType] = [Text(json.dumps(entry.body, indent=2, ensure_ascii=False))]
        lost = [pointer for pointer in entry.forgotten if pointer.startswith("/body")]
        return [*parts, Text(f"forgotten: {', '.join(lost)}", style="yellow")] if lost else parts
    if entry.opaque_body is not None:
        return [Text(f"{len(entry.opaque_body) * 3 // 4} bytes that are no JSON object (--json shows them in base64)")]
    if "/body_sealed" in entry.forgotten:
        return [_forgotten()]
    if entry.body_sha256 is not None:
        return [Text(f"the body is a file of its own: bodies/{entry.body_sha256}")]
    return []


def _forgotten() -> Text:
    return Text("forgotten: the key was destroyed", style="yellow")
