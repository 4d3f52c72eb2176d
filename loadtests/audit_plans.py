"""The plan of every search in the audit log, taken from the adapter as it sends it.

`python -m loadtests.audit_plans [--entries 1000000]` fills a database of its own and writes one text a question into
`docs/plans/`, as `loadtests.plans` does for bookings: each statement with its plan and how long it took. Exits 1 when
one reads a table that grows from end to end.
"""

import argparse
import asyncio
import random
import re
import sys
from collections.abc import Sequence
from typing import cast

import asyncpg
from loadtests.audit_entries import Entries, fill_entries
from loadtests.bench.audit_search import digest, questions
from loadtests.bench.servers import Servers, running_servers
from loadtests.plans import FOLDER, Explaining, Plan

from yoyaku.audit_log.adapters.postgres.entries import PostgresEntries
from yoyaku.audit_log.adapters.postgres.occurred_blocks import OccurredBlocks
from yoyaku.audit_log.domain.search import MAX_PAGE_BYTES
from yoyaku.postgres.pool import Pool, connected_pool

PREFIX = "audit-"


async def explained(servers: Servers, entries: Entries) -> list[Plan]:
    """Fill a database and explain every question, the second time that it is asked."""
    database = await servers.databases.create("yoyaku.audit_log")
    await fill_entries(database.owner, entries)
    blocks = OccurredBlocks()
    async with connected_pool(database.service, application_name="plans") as pool:
        await blocks.keep_up(pool)
    connection = await asyncpg.connect(**database.service.connect_arguments("plans"))
    try:
        await explain_all(connection, entries, blocks)
        return await explain_all(connection, entries, blocks)
    finally:
        await connection.close()


async def explain_all(connection: object, entries: Entries, blocks: OccurredBlocks) -> list[Plan]:
    """Ask everything once, each question with its own draw."""
    explaining = Explaining(connection)  # type: ignore[arg-type]
    reading = PostgresEntries(cast("Pool", explaining), digest, blocks)
    for name, draw in questions(entries).items():
        explaining.name = PREFIX + re.sub(r"[^a-z]+", "-", name.lower()).strip("-")
        await reading.find(draw(random.Random(name)), MAX_PAGE_BYTES)
    return explaining.plans


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the plans."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.audit_plans", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    entries = Entries(parser.parse_args(arguments).entries)
    with running_servers() as servers:
        plans = asyncio.run(explained(servers, entries))
    for old in FOLDER.glob(f"{PREFIX}*.txt"):
        old.unlink()
    bad = 0
    for name in dict.fromkeys(plan.name for plan in plans):
        own = [plan for plan in plans if plan.name == name]
        parts = [f"{name}: {entries.count:,} entries"]
        for plan in own:
            parts += ["", plan.statement.strip(), "", *plan.lines]
        (FOLDER / f"{name}.txt").write_text("\n".join(parts) + "\n")
        scans = sorted({table for plan in own for table in plan.sequential_scans if table != "audit_head"})
        bad += bool(scans)
        told = f"reads from end to end: {', '.join(scans)}" if scans else ""
        sys.stdout.write(f"{name:50} {sum(plan.milliseconds for plan in own):9.2f} ms  {told}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
