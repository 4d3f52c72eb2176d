"""Proofs: how long one takes in a tree of ten million entries, read from the tiles of a real database (AU-02).

The tree is built by the library and written as the service stores it: all full tiles, and the newest entries, from
which the right edge is read. Every proof is verified afterwards against the root of the tree that was built. Baseline:
one full tile, read by its key over the same pool, which is the least that any proof can cost.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import asyncpg
from loadtests.bench.figure import Figure
from loadtests.bench.isolated import Measured
from loadtests.bench.servers import running_servers

from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.postgres.pool import Pool, connected_pool
from yoyaku.testkit.databases import Database
from yoyaku.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from yoyaku.tlog.tile_tree import TileTree

ENTRIES = 10_000_000
KEPT = 100_000
"""The newest entries are there as rows too, so that no plan is made for an empty table."""
BATCH = 50_000
PROOFS = 2_000
GOAL_US = 5_000.0
BARE_HASHES = 1_000_000
_TILE = "SELECT hashes FROM audit_tile WHERE epoch = 1 AND level = 0 AND tile_index = $1"
_COLUMNS = (
    "position",
    "recorded_at",
    "epoch",
    "leaf",
    "leaf_hash",
    "source",
    "number",
    "type",
    "stream",
    "stream_sequence",
)


@dataclass(frozen=True, slots=True)
class Built:
    """A tree, and what building it took: hashing leaves, growing the tree, writing it."""

    roots: dict[int, bytes]
    grown: Measured
    seconds: float


def leaf(position: int) -> bytes:
    """The bytes of an entry."""
    return b'{"position":%d,"type":"booking.reservation.confirmed.v1","v":1}' % position


def measure() -> list[Figure]:
    """Build the tree and measure proofs in it."""
    with running_servers() as servers:
        database = asyncio.run(servers.databases.create("yoyaku.audit_log"))
        return asyncio.run(measured(database))


async def measured(database: Database) -> list[Figure]:
    """Build, then measure growing, inclusion, consistency and the first proof of a fresh process."""
    built = await build(database)
    bare = bare_hashing()
    growing = Figure(
        name="growing the tree, one process",
        value=built.grown.per_second,
        unit="leaves/s",
        baseline_name="bare hashes of nodes",
        baseline=bare.per_second,
        note=f"in batches of {BATCH:,}; tree of {ENTRIES:,} built and written in {built.seconds:.0f} s",
    )
    async with connected_pool(database.service, application_name="bench proofs") as pool:
        return [growing, *await proofs(pool, built.roots)]


async def build(database: Database) -> Built:
    """Grow the tree and write it as the service does."""
    begun = time.perf_counter()
    connection = await asyncpg.connect(**database.admin.connect_arguments("bench"))
    now = datetime.now(UTC)
    await connection.execute("INSERT INTO audit_epoch VALUES (1, 'bench', 0, now()) ON CONFLICT DO NOTHING")
    await connection.fetchval("SELECT audit_make_partition($1)", now)
    tree, roots, wall, cpu = TileTree(), {}, 0.0, 0.0
    for begin in range(0, ENTRIES, BATCH):
        hashes = [leaf_hash(leaf(position)) for position in range(begin, begin + BATCH)]
        wall_begun, cpu_begun = time.perf_counter(), time.process_time()
        completed = tree.append(hashes)
        wall, cpu = wall + time.perf_counter() - wall_begun, cpu + time.process_time() - cpu_begun
        roots[tree.size] = tree.root()
        rows = [(1, tile.level, tile.index, data) for tile, data in completed]
        await connection.copy_records_to_table("audit_tile", records=rows)
        if begin + BATCH > ENTRIES - KEPT:
            entries = [
                (p, now, 1, leaf(p), hashes[p - begin], "bench", p, "bench", "BENCH", p)
                for p in range(begin, begin + BATCH)
            ]
            await connection.copy_records_to_table("audit_entry", records=entries, columns=_COLUMNS)
    await connection.execute("ANALYZE")
    await connection.close()
    return Built(roots, Measured(ENTRIES, wall, cpu), time.perf_counter() - begun)


def bare_hashing() -> Measured:
    """Hash a node as often as a tree has leaves, and nothing else."""
    left, right, digest = b"\x01" * 32, b"\x02" * 32, sha256
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(BARE_HASHES):
        digest(b"\x01" + left + right).digest()
    return Measured(BARE_HASHES, time.perf_counter() - wall, time.process_time() - cpu)


async def proofs(pool: Pool, roots: dict[int, bytes]) -> list[Figure]:
    """Ask for proofs one at a time, of any leaf, in the newest tree and in any older one."""
    drawn = random.Random(1)
    tree, sizes = PostgresTree(pool), list(roots)

    async def newest() -> None:
        index = drawn.randrange(ENTRIES)
        found.append((index, ENTRIES, await tree.inclusion_proof(1, index, ENTRIES)))

    async def older() -> None:
        size = drawn.choice(sizes)
        index = drawn.randrange(size)
        found.append((index, size, await tree.inclusion_proof(1, index, size)))

    async def consistency() -> None:
        old, new = sorted(drawn.sample(sizes, 2))
        followed.append((old, new, await tree.consistency_proof(1, old, new)))

    async def one_tile() -> None:
        await pool.fetchval(_TILE, drawn.randrange(ENTRIES >> 8))

    found: list[tuple[int, int, list[bytes]]] = []
    followed: list[tuple[int, int, list[bytes]]] = []
    first = await timed(newest, 1)
    bare = await timed(one_tile, PROOFS)
    figures = [
        figure("proof of inclusion, newest tree", await timed(newest, PROOFS), bare, first),
        figure("proof of inclusion, older trees", await timed(older, PROOFS), bare),
        figure("proof of consistency", await timed(consistency, PROOFS), bare),
    ]
    for index, size, proof in found:
        verify_inclusion(index, size, leaf_hash(leaf(index)), proof, roots[size])
    for old, new, proof in followed:
        verify_consistency(old, new, roots[old], roots[new], proof)
    return figures


@dataclass(frozen=True, slots=True)
class Taken:
    """How long each took, and the CPU of this process for one, in microseconds."""

    each: list[float]
    cpu: float

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.each, n=100)[-1] if len(self.each) > 1 else self.each[0]


async def timed(action: Callable[[], Awaitable[None]], times: int) -> Taken:
    """Do it as often, one after another."""
    each, cpu = [], time.process_time()
    for _ in range(times):
        begun = time.perf_counter()
        await action()
        each.append((time.perf_counter() - begun) * 1e6)
    return Taken(each, (time.process_time() - cpu) / times * 1e6)


def figure(name: str, taken: Taken, bare: Taken, first: Taken | None = None) -> Figure:
    """The slowest of a hundred counts; a busy machine shows there first, so the median and the CPU stand beside."""
    note = f"median {statistics.median(taken.each):,.0f} µs (one tile {statistics.median(bare.each):,.0f}), "
    note += f"CPU {taken.cpu:,.0f} µs (one tile {bare.cpu:,.0f})"
    return Figure(
        name=f"{name}, p99, {ENTRIES:,} entries",
        value=taken.p99,
        unit="µs",
        baseline_name="µs p99, one tile by its key",
        baseline=bare.p99,
        goal=GOAL_US,
        less_is_better=True,
        note=f"{note}; the first of the process {first.p99:,.0f} µs" if first else note,
    )
