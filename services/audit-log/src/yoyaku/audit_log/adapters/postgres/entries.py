"""Reading entries from PostgreSQL: keyset pages by position, over all months.

Each set of filters has a statement of its own, and so its own plan. Whatever is asked for, the range of positions is
known before a page is read: times of recording grow with the position, times of the fact are known by block
(`occurred_blocks`), so no page reads rows that cannot be on it.
Invariant: positions are committed in order, so a page never jumps over an entry that appears later.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final, Protocol

from asyncpg import Record

from yoyaku.audit_log.adapters.postgres.log_end import NEXT_POSITION
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.domain.search import Filters, HotFound, Query, StoredEntry, fitting
from yoyaku.postgres.pool import Connection, Pool
from yoyaku.postgres.transaction import transaction

_CONDITIONS: Final = {
    "actor": "e.actor = ",
    "subject": "e.subject = ",
    "type": "e.type = ",
    "correlation_id": "e.correlation_id = ",
    "result": "e.result = ",
    "occurred_from": "e.occurred_at >= ",
    "occurred_before": "e.occurred_at < ",
    "recorded_from": "e.recorded_at >= ",
    "recorded_before": "e.recorded_at < ",
}
_KEYS: Final = {"event_id": "r.event_id = ", "client_address": "c.digest = "}
"""What is looked up in tables of their own, since no index reaches over all months or holds no address."""

_PAGE: Final = """
SELECT * FROM (
    SELECT found.*,
           row_number() OVER page AS nth,
           sum(octet_length(leaf)) OVER page AS size_bytes,
           count(*) OVER () AS found_count
      FROM (
        SELECT e.position, e.recorded_at, e.epoch, e.leaf, e.result
          FROM {source}
         WHERE {key}.position >= $1 AND {key}.position <= $2{conditions}
         ORDER BY {key}.position {direction}
         LIMIT $3
      ) found
    WINDOW page AS (ORDER BY position {direction} ROWS UNBOUNDED PRECEDING)
) sized
WHERE nth = 1 OR size_bytes <= $4
ORDER BY position {direction}
"""
_ENTRY_OF: Final = "CROSS JOIN LATERAL (SELECT * FROM audit_entry a WHERE a.position = {key}.position LIMIT 1) e"

# The bounds of a log whose oldest months have left the database; the least position of each partition is at the left
# edge of its primary key. Statements of this transaction are planned for their values: a plan for any values cannot
# know whether an actor is busy or a range wide.
_BOUNDS: Final = f"""
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
       {NEXT_POSITION} AS next_position,
       (SELECT position FROM audit_entry ORDER BY position LIMIT 1) AS first_position
"""  # noqa: S608  a constant
_FIRST_RECORDED_FROM: Final = """
SELECT position FROM audit_entry WHERE recorded_at >= $1 ORDER BY recorded_at, position LIMIT 1
"""
_AT: Final = """
SELECT e.position, e.recorded_at, e.epoch, e.leaf, e.result,
       (SELECT b.content FROM audit_body b
         WHERE b.position = e.position AND b.recorded_at = e.recorded_at AND octet_length(b.content) <= $2) AS beside
  FROM audit_entry e WHERE e.position = $1 LIMIT 1
"""
_BESIDE: Final = """
SELECT position, content FROM audit_body
 WHERE position = ANY ($1::bigint[]) AND recorded_at >= $2 AND recorded_at <= $3 AND octet_length(content) <= $4
"""
_POSITION_OF: Final = "SELECT position FROM audit_recorded WHERE event_id = $1"
_LEAVES: Final = "SELECT leaf FROM audit_entry WHERE position >= $1 AND position < $2 ORDER BY position"
_BODY: Final = "SELECT content FROM audit_body WHERE sha256 = $1 LIMIT 1"

_NAMES_A_BODY: Final = b'"body_sha256":"'


class AddressDigests(Protocol):
    """Keyed digests of client addresses, as they are kept beside the entries."""

    def __call__(self, client_address: str) -> bytes:
        """Digest an address in canonical form: 16 bytes."""


@cache
def _statement(given: tuple[str, ...], *, newest_first: bool) -> str:
    """Write the statement for one set of filters; its values follow the first four parameters in that order."""
    keys = [name for name in given if name in _KEYS]
    source, key = "audit_entry e", "e"
    if keys == ["event_id"]:
        source, key = f"audit_recorded r {_ENTRY_OF.format(key='r')}", "r"
    elif keys == ["client_address"]:
        source, key = f"audit_client c {_ENTRY_OF.format(key='c')}", "c"
    elif keys:
        source, key = f"audit_recorded r JOIN audit_client c USING (position) {_ENTRY_OF.format(key='r')}", "r"
    conditions = "".join(
        f" AND {(_KEYS.get(name) or _CONDITIONS[name])}${place}" for place, name in enumerate(given, 5)
    )
    direction = "DESC" if newest_first else "ASC"
    return _PAGE.format(source=source, key=key, conditions=conditions, direction=direction)


class PostgresEntries:
    """The entries that are in the database, for reading."""

    def __init__(self, pool: Pool, digest: AddressDigests, blocks: OccurredBlocks) -> None:
        self._pool = pool
        self._digest = digest
        self._blocks = blocks

    async def find(self, query: Query, max_bytes: int) -> HotFound:
        """Return up to `query.limit` entries that hold `max_bytes` together; one entry always fits."""
        filters = query.filters
        async with transaction(self._pool, read_only=True) as connection:
            # This touches every partition first: none can be dropped before the transaction ends.
            next_position, first_position = await _bounds(connection)
            lowest = max(query.lowest, first_position)
            highest = next_position - 1 if query.highest is None else min(query.highest, next_position - 1)
            if filters.recorded_from is not None:
                lowest = max(lowest, await _first_from(connection, filters.recorded_from, next_position))
            if filters.recorded_before is not None:
                highest = min(highest, await _first_from(connection, filters.recorded_before, next_position) - 1)
            runs = [(lowest, highest)]
            if filters.occurred_from is not None or filters.occurred_before is not None:
                await self._blocks.extend(connection, next_position)
                runs = self._blocks.runs(lowest, highest, filters.occurred_from, filters.occurred_before)
            if query.newest_first:
                runs = runs[::-1]
            entries, has_more = await self._page(connection, query, runs, max_bytes)
        return HotFound(entries, has_more, first_position, next_position)

    async def _page(
        self, connection: Connection, query: Query, runs: Sequence[tuple[int, int]], max_bytes: int
    ) -> tuple[list[StoredEntry], bool]:
        values = self._values(query.filters)
        statement = _statement(tuple(values), newest_first=query.newest_first)
        rows: list[Record] = []
        found_count = room_bytes = 0
        for lowest, highest in runs:
            if lowest > highest or found_count > query.limit:
                continue
            room_bytes = max_bytes - sum(len(row["leaf"]) for row in rows)
            found = await connection.fetch(
                statement, lowest, highest, query.limit + 1 - found_count, max(room_bytes, 0), *values.values()
            )
            found_count += found[0]["found_count"] if found else 0
            rows += found
            if len(rows) < found_count:
                break
        entries = await _with_bodies(connection, [_to_entry(row) for row in rows], max_bytes)
        page = fitting(entries, query.limit, max_bytes)
        return page, len(page) < found_count

    def _values(self, filters: Filters) -> dict[str, object]:
        values = {name: getattr(filters, name) for name in (*_KEYS, *_CONDITIONS)}
        if filters.client_address is not None:
            values["client_address"] = self._digest(filters.client_address)
        return {name: value for name, value in values.items() if value is not None}

    async def at(self, position: int, max_beside_bytes: int) -> StoredEntry | None:
        """Return one entry, with the body beside it when it is not larger than that."""
        async with transaction(self._pool, read_only=True) as connection:
            row = await connection.fetchrow(_AT, position, max_beside_bytes)
        return None if row is None else _to_entry(row, row["beside"])

    async def position_of(self, event_id: str) -> int | None:
        """Say where an event is recorded, also after its month left the database."""
        async with transaction(self._pool, read_only=True) as connection:
            position: int | None = await connection.fetchval(_POSITION_OF, event_id)
        return position

    async def leaves(self, first_position: int, count: int) -> Sequence[bytes]:
        """Return the leaves from a position on; fewer when the database does not hold them all."""
        async with transaction(self._pool, read_only=True) as connection:
            rows = await connection.fetch(_LEAVES, first_position, first_position + count)
        return [row["leaf"] for row in rows]

    async def body(self, sha256: bytes) -> bytes | None:
        """Return a body that stands beside its leaf."""
        async with transaction(self._pool, read_only=True) as connection:
            content: bytes | None = await connection.fetchval(_BODY, sha256)
        return content


async def _bounds(connection: Connection) -> tuple[int, int]:
    """Return the next position of the log and the first that the database holds; the same when it holds none."""
    row = await connection.fetchrow(_BOUNDS)
    if row is None:
        raise RuntimeError("a SELECT of two values gave no row")
    next_position: int = row["next_position"]
    return next_position, next_position if row["first_position"] is None else row["first_position"]


async def _first_from(connection: Connection, moment: object, next_position: int) -> int:
    """Return the first position that was recorded at a moment or later."""
    position: int | None = await connection.fetchval(_FIRST_RECORDED_FROM, moment)
    return next_position if position is None else position


async def _with_bodies(connection: Connection, entries: Sequence[StoredEntry], max_bytes: int) -> Sequence[StoredEntry]:
    """Put the bodies beside the leaves that name one; those larger than a page stay where they are."""
    wanted = [entry for entry in entries if _NAMES_A_BODY in entry.leaf]
    if not wanted:
        return entries
    times = [entry.recorded_at for entry in wanted]
    positions = [entry.position for entry in wanted]
    rows = await connection.fetch(_BESIDE, positions, min(times), max(times), max_bytes)
    beside = {row["position"]: row["content"] for row in rows}
    return [
        StoredEntry(one.position, one.recorded_at, one.epoch, one.leaf, one.result, beside.get(one.position))
        for one in entries
    ]


def _to_entry(row: Record, beside: bytes | None = None) -> StoredEntry:
    return StoredEntry(row["position"], row["recorded_at"], row["epoch"], row["leaf"], row["result"], beside)
