"""Search in the audit log with a million entries in the database (AU-07): one page, its read recorded.

One page of 100 at a time, as an answering replica makes it: entries found and made readable, the read committed to the
outbox with fsync. Each question is asked many times with other values. Goal: 50 ms at p95.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from loadtests.audit_entries import Entries, fill_entries
from loadtests.bench.figure import Figure
from loadtests.bench.servers import running_servers

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.adapters.postgres.reads import PostgresReads
from yoyaku.audit_log.domain.leaf import Open
from yoyaku.audit_log.domain.search import Filters, Query
from yoyaku.audit_log.usecases.every_entry import EveryEntry
from yoyaku.audit_log.usecases.reader_ports import NothingSealed, Reader
from yoyaku.audit_log.usecases.search_entries import SearchEntries
from yoyaku.audit_log.usecases.show_entries import ShowEntries
from yoyaku.messaging.ids import new_event_id
from yoyaku.messaging.outbox import Outbox
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.databases import Database

ENTRIES = Entries()
TIMES = 40
GOAL_MS = 50.0
READER = Reader("person/bench")
Draw = Callable[[random.Random], Query]


def digest(client_address: str) -> bytes:
    """Stand for the keyed digest."""
    return sha256(client_address.encode()).digest()[:16]


class Clear:
    """Nothing is sealed."""

    async def opener(self, _: Collection[str]) -> Open:
        """Open nothing."""
        return lambda _: None


def measure() -> list[Figure]:
    """Fill a database and measure each question."""
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.audit_log"))
        asyncio.run(fill_entries(database.owner, ENTRIES))
        return asyncio.run(figures(database))


async def figures(database: Database) -> list[Figure]:
    """Ask everything."""
    async with connected_pool(database.service, application_name="bench") as pool:
        blocks = OccurredBlocks()
        began = time.perf_counter()
        await blocks.keep_up(pool)
        learned_ms = (time.perf_counter() - began) * 1000
        search = search_of(pool, blocks)
        bare = await bare_page(pool)
        found = [await figure(search, name, draw, bare) for name, draw in questions(ENTRIES).items()]
    note = "once for each process, a block of 4,096 entries at a time afterwards"
    return [*found, Figure("learning the times of all blocks", learned_ms, "ms", "", 0.0, note=note)]


def search_of(pool: Pool, blocks: OccurredBlocks) -> SearchEntries:
    """Put together what a replica answers with."""
    outbox = Outbox(service="audit-log", new_id=new_event_id, now=lambda: datetime.now(UTC))
    entries = EveryEntry(PostgresEntries(pool, digest, blocks), NothingSealed())
    return SearchEntries(entries, ShowEntries(Clear()), PostgresReads(pool, outbox))


async def bare_page(pool: Pool) -> float:
    """Return the median milliseconds of one bare SELECT of a hundred rows by primary key."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await pool.fetch("SELECT * FROM audit_entry WHERE position >= $1 ORDER BY position LIMIT 100", 500_000)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def questions(entries: Entries) -> dict[str, Draw]:
    """Name what is asked; each draws other values. The worst places are among them: the middle, nothing to be found."""

    def moment(chance: random.Random) -> datetime:
        return entries.recorded_at(chance.randrange(entries.count))

    def of(**filters: Any) -> Query:
        return Query(Filters(**filters))

    hour, week = timedelta(hours=1), timedelta(days=7)
    login, failed = "identity.login.succeeded.v1", "identity.login.failed.v1"

    def busy(chance: random.Random) -> str:
        return f"person/{chance.randrange(5)}"

    def anybody(chance: random.Random) -> str:
        return f"person/{chance.randrange(5, 10_000)}"

    def address(chance: random.Random) -> str:
        return f"10.{chance.randrange(4)}.{chance.randrange(8)}.{chance.randrange(150)}"

    def week_from(chance: random.Random, **filters: Any) -> Query:
        since = moment(chance)
        return of(occurred_from=since, occurred_before=since + week, **filters)

    def hour_from(chance: random.Random) -> Query:
        since = moment(chance)
        return of(occurred_from=since, occurred_before=since + hour)

    return {
        "newest page": lambda _: Query(newest_first=True),
        "a page anywhere": lambda c: Query(lowest=c.randrange(entries.count)),
        "actor": lambda c: of(actor=anybody(c)),
        "busy actor, newest first": lambda c: Query(of(actor=busy(c)).filters, newest_first=True),
        "subject": lambda c: of(subject=f"reservation/{c.randrange(300000)}"),
        "type": lambda _: of(type=failed),
        "type that never was": lambda _: of(type="booking.room.painted.v1"),
        "correlation": lambda c: of(correlation_id=f"story-{c.randrange(entries.count // 3)}"),
        "event id": lambda c: of(event_id=f"event-{c.randrange(entries.count)}"),
        "client address": lambda c: of(client_address=address(c)),
        "result refused, newest first": lambda _: Query(of(result="refused").filters, newest_first=True),
        "result failed (none)": lambda _: of(result="failed"),
        "an hour of facts": hour_from,
        "a week of facts": week_from,
        "a week of facts that ended, newest first": lambda c: Query(week_from(c).filters, newest_first=True),
        "facts before a moment, its last page": lambda c: before(entries, moment(c)),
        "recorded from a moment": lambda c: of(recorded_from=moment(c)),
        "recorded in an hour, of one type": lambda c: recorded_hour(moment(c), failed),
        "actor and type": lambda c: of(actor=anybody(c), type=login),
        "busy actor and type": lambda c: of(actor=busy(c), type=login),
        "busy actor and a rare client address": lambda c: of(actor=busy(c), client_address=address(c)),
        "busy actor, type, a week of facts": lambda c: week_from(c, actor=busy(c), type=failed),
        "type and subject": lambda c: of(type=login, subject=f"reservation/{c.randrange(300000)}"),
    }


def before(entries: Entries, end: datetime) -> Query:
    """Ask for the end of a range: behind it the log goes on."""
    lowest = max(int((end - entries.begin) / entries.apart) - 50, 0)
    return Query(Filters(occurred_before=end), lowest=lowest)


def recorded_hour(since: datetime, event_type: str) -> Query:
    """Ask for an hour of recording."""
    return Query(Filters(type=event_type, recorded_from=since, recorded_before=since + timedelta(hours=1)))


async def figure(search: SearchEntries, name: str, draw: Draw, bare_ms: float) -> Figure:
    """Ask one question many times, a few times unmeasured before."""
    chance = random.Random(name)
    took, sizes = [], []
    for turn in range(TIMES + 8):
        query = draw(chance)
        began = time.perf_counter()
        page = await search(query, READER)
        if turn >= 8:
            took.append((time.perf_counter() - began) * 1000)
            sizes.append(len(page.entries))
    p95 = statistics.quantiles(took, n=20)[-1]
    return Figure(
        name=f"{name}, p95",
        value=p95,
        unit="ms",
        baseline_name="ms, 100 rows by primary key, median",
        baseline=bare_ms,
        goal=GOAL_MS,
        less_is_better=True,
        note=f"median {statistics.median(took):.1f} ms, {statistics.mean(sizes):.0f} entries a page",
    )
