"""Parts of a segment's search index: SQLite files with ids and times of entries, nothing personal in clear.

A part is written in memory and never changed. It is opened read-only and as immutable, so nothing is written beside it.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from yoyaku.audit_log.usecases.archive_ports import IndexedEntry, IndexedPlace, SealedQuery, UnreadableIndexError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA: Final = """
CREATE TABLE entry (
    position INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL, occurred_at INTEGER, type TEXT NOT NULL, actor TEXT,
    subject TEXT, correlation_id TEXT, event_id TEXT, result TEXT
);
"""
_INDEXES: Final = """
CREATE INDEX entry_type ON entry (type, position);
CREATE INDEX entry_actor ON entry (actor, position) WHERE actor IS NOT NULL;
CREATE INDEX entry_subject ON entry (subject, position) WHERE subject IS NOT NULL;
CREATE INDEX entry_correlation ON entry (correlation_id, position) WHERE correlation_id IS NOT NULL;
CREATE INDEX entry_event_id ON entry (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX entry_result ON entry (result, position) WHERE result IS NOT NULL;
"""
_INSERT: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_EQUAL: Final = ("actor", "subject", "type", "correlation_id", "result")


class SqliteIndexFiles:
    """Writes and reads parts with the standard library's SQLite, in threads of their own."""

    async def write(self, entries: Sequence[IndexedEntry]) -> bytes:
        """Return the bytes of a part."""
        return await asyncio.to_thread(_write, entries)

    async def find(self, file: Path, query: SealedQuery) -> list[IndexedPlace]:
        """Return what matches in the direction of reading."""
        return await asyncio.to_thread(_find, file, query)


def _write(entries: Sequence[IndexedEntry]) -> bytes:
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany(_INSERT, [_row(entry) for entry in entries])
        connection.executescript(_INDEXES + "ANALYZE;")
        connection.commit()
        return bytes(connection.serialize())


def _row(entry: IndexedEntry) -> tuple[object, ...]:
    return (
        entry.position,
        _microseconds(entry.recorded_at),
        None if entry.occurred_at is None else _microseconds(entry.occurred_at),
        entry.type,
        entry.actor,
        entry.subject,
        entry.correlation_id,
        entry.event_id,
        entry.result,
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _find(file: Path, query: SealedQuery) -> list[IndexedPlace]:
    conditions, values = _conditions(query)
    direction = "DESC" if query.newest_first else "ASC"
    statement = f"SELECT position, recorded_at, result FROM entry{conditions} ORDER BY position {direction}"  # noqa: S608
    try:
        uri = f"file:{quote(str(file))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as connection:
            rows: Iterable[Any] = connection.execute(statement, values)
            if query.positions is not None:
                rows = (row for row in rows if row[0] in query.positions)
            return [IndexedPlace(row[0], _moment(row[1]), row[2]) for row in islice(rows, query.limit)]
    except sqlite3.DatabaseError as error:
        raise UnreadableIndexError(f"{file.name} is no search index: {error}") from error


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _conditions(query: SealedQuery) -> tuple[str, list[object]]:
    conditions: list[str] = ["position >= ?"]
    values: list[object] = [query.lowest]

    def add(condition: str, value: object) -> None:
        conditions.append(condition)
        values.append(value)

    if query.highest is not None:
        add("position <= ?", query.highest)
    for column in _EQUAL:
        value = getattr(query, column)
        if value is not None:
            add(f"{column} = ?", value)
    for column in ("occurred", "recorded"):
        begin, end = getattr(query, f"{column}_from"), getattr(query, f"{column}_before")
        if begin is not None:
            add(f"{column}_at >= ?", _microseconds(begin))
        if end is not None:
            add(f"{column}_at < ?", _microseconds(end))
    return " WHERE " + " AND ".join(conditions), values
