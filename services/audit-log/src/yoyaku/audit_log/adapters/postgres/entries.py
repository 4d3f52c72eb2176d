"""Reading entries from PostgreSQL: keyset pages by position, over all months.

Invariant: positions are committed in order, so a page never jumps over an entry that appears later.
"""

from itertools import product
from typing import Final

from asyncpg import Record

from yoyaku.audit_log.domain.entry import Entry, Page, Query
from yoyaku.audit_log.domain.leaf import read_leaf
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

_PAGE: Final = """
SELECT * FROM (
    SELECT found.*,
           row_number() OVER page AS nth,
           sum(octet_length(leaf) + coalesce(octet_length(content), 0)) OVER page AS size_bytes,
           count(*) OVER () AS found_count
      FROM (
        SELECT position, recorded_at, leaf, traceparent,
               (SELECT content FROM audit_body b WHERE b.position = e.position AND b.recorded_at = e.recorded_at)
          FROM audit_entry e
         WHERE position > $1{conditions}
         ORDER BY position
         LIMIT $2
      ) found
    WINDOW page AS (ORDER BY position ROWS UNBOUNDED PRECEDING)
) sized
WHERE nth = 1 OR size_bytes <= $3
ORDER BY position
"""
_FILTERS: Final = (
    "actor = ",
    "subject = ",
    "type = ",
    "correlation_id = ",
    "occurred_at >= ",
    "occurred_at < ",
)


def _statements() -> dict[tuple[bool, ...], str]:
    """Write one constant statement for each set of filters, so that each has its own plan and its own index."""
    statements = {}
    for used in product((False, True), repeat=len(_FILTERS)):
        chosen = [condition for condition, is_used in zip(_FILTERS, used, strict=True) if is_used]
        conditions = "".join(f" AND {condition}${index}" for index, condition in enumerate(chosen, 4))
        statements[used] = _PAGE.replace("{conditions}", conditions)
    return statements


_PAGE_BY_FILTERS: Final = _statements()


class PostgresEntries:
    """The entries, for reading."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, query: Query, max_bytes: int) -> Page:
        """Return up to `query.limit` entries that hold `max_bytes` together; one entry always fits."""
        values = (
            query.actor,
            query.subject,
            query.type,
            query.correlation_id,
            query.occurred_from,
            query.occurred_before,
        )
        statement = _PAGE_BY_FILTERS[tuple(value is not None for value in values)]
        arguments = [value for value in values if value is not None]
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(statement, query.after, query.limit + 1, max_bytes, *arguments)
        entries = [_to_entry(row) for row in rows[: query.limit]]
        more = bool(rows) and len(entries) < rows[0]["found_count"]
        return Page(entries, entries[-1].position if more else None)


def _to_entry(row: Record) -> Entry:
    stored = read_leaf(row["leaf"], row["content"])
    return Entry(
        position=stored.position,
        event_id=stored.event_id,
        source=stored.source,
        number=stored.number,
        type=stored.type,
        occurred_at=stored.occurred_at,
        recorded_at=stored.recorded_at,
        actor=stored.actor,
        subject=stored.subject,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        client_address=stored.client_address,
        traceparent=row["traceparent"],
        body=stored.body,
        problem=stored.problem,
        forgotten=stored.forgotten,
    )
