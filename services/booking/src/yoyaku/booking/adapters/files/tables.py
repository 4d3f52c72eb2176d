"""Tables in CSV: UTF-8 with or without a mark, one header row, every fault with its line.

Invariant: a cell that comes out of here is trimmed and holds nothing that people do not see. What the reader cannot
make sense of is a fault, never an exception.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from yoyaku.booking.domain.hidden_character import hidden_character
from yoyaku.booking.usecases.ports.imports import Fault, Line

_COLUMN_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins, and its cells by column; what is empty is left out."""

    line: Line
    cells: Mapping[str, str]


@dataclass(slots=True)
class Table:
    """The rows that could be read, and what could not."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def decoded(file: str, data: bytes) -> tuple[str, Fault | None]:
    """Return the text, or the fault that names the line that is no UTF-8."""
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return "", Fault(Line(file, data.count(b"\n", 0, error.start) + 1), "file", "not-utf8")


def read_table(
    file: str, data: bytes, *, required: Collection[str], optional: Collection[str], forbidden: Collection[str] = ()
) -> Table:
    """Read a table whose columns may stand in any order; names are taken without their case."""
    table = Table()
    text, fault = decoded(file, data)
    if fault is not None:
        table.faults.append(fault)
        return table
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    started = 0
    try:
        for cells in reader:
            line = Line(file, started + 1)
            started = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [cell.strip().lower() for cell in cells]
                table.faults += _header_faults(line, columns, required, optional, forbidden)
                if table.faults:
                    return table
            else:
                _read_row(table, line, columns, cells)
    except csv.Error as error:
        table.faults.append(Fault(Line(file, started + 1), "file", "not-csv", {"cause": str(error)}))
    if columns is None and not table.faults:
        table.faults.append(Fault(Line(file, 1), "file", "no-header"))
    return table


def _header_faults(
    line: Line, columns: Sequence[str], required: Collection[str], optional: Collection[str], forbidden: Collection[str]
) -> list[Fault]:
    faults = []
    for position, name in enumerate(columns):
        shown = name[:_COLUMN_SHOWN] if hidden_character(name) is None else "?"
        if name in columns[:position]:
            faults.append(Fault(line, shown, "column-twice"))
        elif name in forbidden:
            faults.append(Fault(line, shown, "column-forbidden"))
        elif name not in required and name not in optional:
            known = ", ".join([*required, *optional])
            faults.append(Fault(line, shown or "?", "column-unknown", {"known": known}))
    faults += [Fault(line, name, "column-missing") for name in required if name not in columns]
    return faults


def _read_row(table: Table, line: Line, columns: Sequence[str], cells: Sequence[str]) -> None:
    if len(cells) != len(columns):
        facts = {"cells": len(cells), "columns": len(columns)}
        table.faults.append(Fault(line, "row", "wrong-cell-count", facts))
        return
    row = {name: text for name, cell in zip(columns, cells, strict=True) if (text := cell.strip())}
    hidden = [
        Fault(line, name, "hidden-character", {"character": found})
        for name, text in row.items()
        if (found := hidden_character(text)) is not None
    ]
    if hidden:
        table.faults += hidden
    else:
        table.rows.append(Row(line, row))
