"""The rows of completeness in PostgreSQL, and what the log has recorded of each source.

Numbers are looked for by keyset on the primary keys (source, number), from the number checked to on, a bounded part a
look: ten million entries cost a look nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from yoyaku.audit_log.adapters.postgres.log_end import NEXT_POSITION
from yoyaku.audit_log.domain.completeness import GapReason, Resolution
from yoyaku.audit_log.domain.numbers import Interval, Numbers
from yoyaku.audit_log.usecases.completeness_ports import Examined, Gap, Range, SourceState, Standing, Statement
from yoyaku.contracts.audit_v1 import CompletenessStated, GapClosed, GapFound
from yoyaku.contracts.envelope import Event
from yoyaku.messaging.leadership import Lease
from yoyaku.messaging.outbox import Outbox, OutboxTransaction
from yoyaku.postgres.pool import Pool
from yoyaku.postgres.transaction import transaction

ACTOR: Final = "service/audit-log"
STATEMENT_SUBJECT: Final = "completeness"
NUMBERS_A_LOOK: Final = 50_000
"""Of one source, rows read at a time; what is left is looked at the next time."""
RANGES_A_READ: Final = 16
"""Looked at in one statement: at most 800,000 rows, well within every time limit of a transaction."""
PIECES_A_LOOK: Final = 50
"""Of one source, separate gaps found at a time: each is a fact of its own."""

_SOURCES: Final = """
SELECT wanted.source, coalesce(s.checked_to, 0) AS checked_to,
       greatest((SELECT max(number) FROM audit_recorded AS r WHERE r.source = wanted.source),
                (SELECT max(number) FROM audit_passed_over AS p WHERE p.source = wanted.source), 0) AS highest,
       coalesce(s.stated_to, 0) AS stated_to, coalesce(s.stated_lost, 0) AS stated_lost
  FROM unnest($1::text[]) WITH ORDINALITY AS wanted (source, nth)
  LEFT JOIN audit_source AS s ON s.source = wanted.source
 ORDER BY wanted.nth
"""
# $4: rows a range, $5: pieces a range. What is there, in order, between the number before the range and the one after
# it: where two neighbours are further than one apart, numbers are missing.
_EXAMINE: Final = """
SELECT looked.*
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS wanted (source, after, upto, nth)
 CROSS JOIN LATERAL (
    WITH there AS (
        SELECT number FROM (
            (SELECT number FROM audit_recorded WHERE source = wanted.source AND number > wanted.after
                AND number <= wanted.upto ORDER BY number LIMIT $4)
            UNION ALL
            (SELECT number FROM audit_passed_over WHERE source = wanted.source AND number > wanted.after
                AND number <= wanted.upto ORDER BY number LIMIT $4)
            UNION ALL
            (SELECT number FROM audit_contradiction WHERE source = wanted.source AND number > wanted.after
                AND number <= wanted.upto ORDER BY number LIMIT $4)
        ) AS kept ORDER BY number LIMIT $4
    ), bound AS (
        SELECT CASE WHEN count(*) < $4 THEN wanted.upto ELSE max(number) END AS examined_to FROM there
    ), steps AS (
        SELECT number, lead(number) OVER (ORDER BY number) AS next
          FROM (SELECT wanted.after AS number UNION ALL SELECT number FROM there
                UNION ALL SELECT examined_to + 1 FROM bound) AS stones
    ), pieces AS (
        SELECT number + 1 AS first, next - 1 AS last FROM steps WHERE next - number > 1 ORDER BY number LIMIT $5
    )
    SELECT (SELECT examined_to FROM bound) AS examined_to,
           ARRAY(SELECT first FROM pieces ORDER BY first) AS firsts,
           ARRAY(SELECT last FROM pieces ORDER BY first) AS lasts
 ) AS looked
 ORDER BY wanted.nth
"""
_OPEN_GAPS: Final = """
SELECT gap_id, source, first_number, last_number, reason, found_at, asked_at, asked_count
  FROM audit_gap WHERE closed_at IS NULL ORDER BY gap_id
"""
_STANDING: Final = f"""
SELECT {NEXT_POSITION}, c.looked_at, c.unanswered, c.stated_at, c.stated_position
  FROM audit_completeness AS c
"""  # noqa: S608  a constant
_HAS_MOVED: Final = """
SELECT EXISTS (SELECT FROM audit_entry
                WHERE position >= $1 AND recorded_at >= coalesce($2, '-infinity'::timestamptz) AND type <> ALL ($3))
"""
_OPEN: Final = "INSERT INTO audit_gap (source, first_number, last_number, reason, found_at) VALUES ($1, $2, $3, $4, $5)"
_CLOSE: Final = """
UPDATE audit_gap SET first_number = $2, last_number = $3, closed_at = $4, resolution = $5 WHERE gap_id = $1
RETURNING asked_at, asked_count
"""
_SPLIT: Final = """
INSERT INTO audit_gap (source, first_number, last_number, reason, found_at, asked_at, asked_count, closed_at,
                       resolution)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_ASKED: Final = "UPDATE audit_gap SET asked_at = $2, asked_count = asked_count + 1 WHERE gap_id = $1"
_CHECKED: Final = """
INSERT INTO audit_source (source, checked_to)
SELECT source, checked_to FROM unnest($1::text[], $2::bigint[]) AS looked (source, checked_to)
ON CONFLICT (source) DO UPDATE SET checked_to = excluded.checked_to
"""
_LOOKED: Final = "UPDATE audit_completeness SET looked_at = $1, unanswered = $2"
_STATED: Final = """
UPDATE audit_source AS s SET stated_to = stated.number, stated_lost = stated.lost
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS stated (source, number, lost) WHERE s.source = stated.source
"""
_STATED_AT: Final = "UPDATE audit_completeness SET stated_at = $1, stated_position = $2"


class PostgresCompletenessPages:
    """The rows, for reading by any replica."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self) -> Standing:
        """Return where the log, the last look and the last statement stand."""
        [row] = await self._read(_STANDING)
        return Standing(*row)

    async def sources(self, sources: Sequence[str]) -> Sequence[SourceState]:
        """Return the state of each named source: a step down two indexes each."""
        return [SourceState(*row) for row in await self._read(_SOURCES, list(sources))]

    async def open_gaps(self) -> Sequence[Gap]:
        """Return the open gaps, the oldest first."""
        return [_to_gap(row) for row in await self._read(_OPEN_GAPS)]

    async def _read(self, statement: str, *values: Any) -> list[Any]:
        async with transaction(self._pool, read_only=True) as connection:
            return list(await connection.fetch(statement, *values))


class PostgresCompleteness(PostgresCompletenessPages):
    """The rows, for as long as the lease is held."""

    def __init__(self, pool: Pool, outbox: Outbox, lease: Lease) -> None:
        super().__init__(pool)
        self._outbox = outbox
        self._lease = lease

    async def examine(self, ranges: Sequence[Range]) -> Sequence[Examined]:
        """Look for numbers: recorded, passed over, or kept as a contradiction. One answer a range, in order."""
        rows: list[Any] = []
        for begin in range(0, len(ranges), RANGES_A_READ):
            part = ranges[begin : begin + RANGES_A_READ]
            rows += await self._read(
                _EXAMINE,
                [one.source for one in part],
                [one.after for one in part],
                [one.to for one in part],
                NUMBERS_A_LOOK,
                PIECES_A_LOOK,
            )
        return [_to_examined(row) for row in rows]

    async def has_moved(self, from_position: int, stated_at: datetime | None, apart_from: Sequence[str]) -> bool:
        """Say whether an entry of another type than these was recorded at the position or later."""
        [row] = await self._read(_HAS_MOVED, from_position, stated_at, list(apart_from))
        return bool(row[0])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresCompletenessTransaction"]:
        """Open a fenced transaction; raises LeadershipLostError when another process leads."""
        async with self._outbox.transaction(self._pool) as outbox_transaction:
            await self._lease.fence(outbox_transaction.connection)
            yield PostgresCompletenessTransaction(outbox_transaction)


class PostgresCompletenessTransaction:
    """One transaction of the leader."""

    def __init__(self, outbox_transaction: OutboxTransaction) -> None:
        self._transaction = outbox_transaction
        self._connection = outbox_transaction.connection

    async def open_gap(self, source: str, reason: GapReason, numbers: Numbers, found_at: datetime) -> None:
        """Keep each interval as a gap and tell it."""
        for first, last in numbers:
            await self._connection.execute(_OPEN, source, first, last, reason.value, found_at)
            self._tell(
                GapFound(source=source, first_number=first, last_number=last, reason=reason.value), _subject(source)
            )

    async def close_gap(self, gap: Gap, numbers: Numbers, resolution: Resolution, closed_at: datetime) -> None:
        """Close a part of a gap, or all of it, and tell it; what was `lost` is told by the gap that takes its place.

        The row becomes the first closed part, further parts get rows of their own. What is left of a gap of which
        something arrived is asked for at once.
        """
        first, *others = numbers
        asked = await self._connection.fetchrow(_CLOSE, gap.gap_id, *first, closed_at, resolution.value)
        assert asked is not None  # gaps are never deleted
        closed = [(one, asked["asked_count"], closed_at, resolution.value) for one in others]
        again = 0 if resolution is Resolution.ARRIVED else asked["asked_count"]
        left = [(one, again, None, None) for one in Numbers.of([gap.interval]) - numbers]
        await self._connection.executemany(
            _SPLIT,
            [
                (gap.source, *one, gap.reason.value, gap.found_at, asked["asked_at"], count, moment, how)
                for one, count, moment, how in (*closed, *left)
            ],
        )
        if resolution is Resolution.LOST:
            return
        for one in numbers:
            event = GapClosed(
                source=gap.source, first_number=one.first, last_number=one.last, resolution=resolution.value
            )
            self._tell(event, _subject(gap.source))

    async def note_asked(self, gap: Gap, asked_at: datetime) -> None:
        """Note that the numbers of a gap were asked for."""
        await self._connection.execute(_ASKED, gap.gap_id, asked_at)

    async def note_look(self, checked_to: Mapping[str, int], looked_at: datetime, unanswered: Sequence[str]) -> None:
        """Note up to where sources are checked, when, and which services did not answer."""
        if checked_to:
            await self._connection.execute(_CHECKED, list(checked_to), list(checked_to.values()))
        await self._connection.execute(_LOOKED, looked_at, list(unanswered))

    async def state(self, statement: Statement, stated_at: datetime, position: int) -> None:
        """Tell the statement and remember it."""
        lost = [statement.lost.get(source, 0) for source in statement.complete_to]
        numbers = list(statement.complete_to.values())
        await self._connection.execute(_STATED, list(statement.complete_to), numbers, lost)
        await self._connection.execute(_STATED_AT, stated_at, position)
        event = CompletenessStated(
            complete_to=dict(statement.complete_to), lost=dict(statement.lost), open_gaps=statement.open_gaps
        )
        self._tell(event, STATEMENT_SUBJECT)

    def _tell(self, event: Event, subject: str) -> None:
        self._transaction.emit(event, subject=subject, actor=ACTOR)


def _subject(source: str) -> str:
    return f"source{source}"


def _to_examined(row: Any) -> Examined:
    missing = [Interval(*pair) for pair in zip(row["firsts"], row["lasts"], strict=True)]
    is_cut = len(missing) == PIECES_A_LOOK
    return Examined(Numbers.of(missing), missing[-1].last if is_cut else row["examined_to"])


def _to_gap(row: Any) -> Gap:
    return Gap(
        gap_id=row["gap_id"],
        source=row["source"],
        interval=Interval(row["first_number"], row["last_number"]),
        reason=GapReason(row["reason"]),
        found_at=row["found_at"],
        asked_at=row["asked_at"],
        asked_count=row["asked_count"],
    )
