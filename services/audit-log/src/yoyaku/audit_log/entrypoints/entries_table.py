"""Draws audit entries: one line each on a terminal, every character of them when piped."""

import re
from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from yoyaku.contracts.rpc import AuditEntry, AuditResult

WIDE: Final = 100
"""Columns from which a moment has its date and a subject its kind."""
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSION: Final = re.compile(r"\.v[0-9]+$")
_LONGEST_TYPE: Final = 32
_UNREADABLE: Final = "unreadable"
_FORGOTTEN: Final = "(forgotten)"


def whole_table(entries: Sequence[AuditEntry]) -> Table:
    """Draw everything, for grep."""
    table = Table(box=None, header_style="bold")
    table.add_column("Position", justify="right", no_wrap=True)
    for name in ("Recorded", "Type", "Result", "Subject", "Actor", "From", "Source", "Event"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        table.add_row(
            str(entry.position),
            entry.recorded_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            Text(entry.type or _UNREADABLE, style="" if entry.type else "red"),
            Text(entry.result or ""),
            Text(entry.subject or ""),
            Text(entry.actor or ""),
            Text(_from(entry)),
            Text(f"{entry.source}#{entry.number}" if entry.source is not None else ""),
            Text(entry.event_id or ""),
        )
    return table


def short_table(entries: Sequence[AuditEntry], width: int) -> Table:
    """Draw a line an entry: ids by their first digits, types without their version, what is left by an ellipsis."""
    wide = width >= WIDE
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Pos", justify="right", no_wrap=True)
    table.add_column("Recorded (UTC)" if wide else "UTC", no_wrap=True)
    table.add_column("Type", no_wrap=True, max_width=_LONGEST_TYPE)
    for name in ("Subject", "Actor", "From"):
        table.add_column(Text(name, no_wrap=True, overflow="ellipsis"))
    for entry in entries:
        subject = _shortened(entry.subject or "")
        table.add_row(
            str(entry.position),
            entry.recorded_at.strftime("%m-%d %H:%M:%S" if wide else "%H:%M:%S"),
            _type(entry),
            # Narrow, the type says what kind of thing it is.
            _cell(subject if wide or _ELLIPSIS not in subject else subject.rpartition("/")[2]),
            _cell(_shortened(entry.actor or "")),
            _cell(_from(entry)),
        )
    return table


def story_table(entries: Sequence[AuditEntry], width: int) -> Table:
    """Draw a story: how long after its beginning what happened, in which service."""
    wide = width >= WIDE
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("After", justify="right", no_wrap=True)
    table.add_column("Pos", justify="right", no_wrap=True)
    table.add_column("Service", no_wrap=True)
    table.add_column("Type", no_wrap=True, max_width=_LONGEST_TYPE)
    for name in ("Subject", "Actor", "From") if wide else ("Subject", "Actor"):
        table.add_column(Text(name, no_wrap=True, overflow="ellipsis"))
    begin = min((entry.occurred_at or entry.recorded_at for entry in entries), default=None)
    for entry in entries:
        since = (entry.occurred_at or entry.recorded_at) - begin if begin is not None else None
        cells: list[Text | str] = [
            f"{since.total_seconds():.3f} s" if since is not None else "",
            str(entry.position),
            (entry.source or "").split("/")[1] if entry.source else "",
            _type(entry),
            _cell(_shortened(entry.subject or "")),
            _cell(_shortened(entry.actor or "")),
        ]
        table.add_row(*cells, *([_cell(_from(entry))] if wide else []))
    return table


def _type(entry: AuditEntry) -> Text:
    if entry.type is None:
        return _cell(_UNREADABLE, "red")
    return _cell(_VERSION.sub("", entry.type), "yellow" if entry.result not in {None, AuditResult.SUCCEEDED} else "")


def _from(entry: AuditEntry) -> str:
    return entry.client_address or (_FORGOTTEN if "/client_address" in entry.forgotten else "")


def _shortened(text: str) -> str:
    return _ID.sub(lambda found: found.group()[:8] + _ELLIPSIS, text)


def _cell(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
