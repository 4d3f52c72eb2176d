"""Proofs read from a real database are those that the whole tree gives, whatever the size that is asked about."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from yoyaku.audit_log.adapters.postgres.tree import PostgresTree
from yoyaku.audit_log.usecases.trees import IncompleteTreeError
from yoyaku.postgres.pool import Pool
from yoyaku.testkit.databases import Database
from yoyaku.tlog.errors import ProofError
from yoyaku.tlog.merkle import EMPTY_ROOT, Frontier, verify_consistency, verify_inclusion
from yoyaku.tlog.tile_tree import TileTree

pytestmark = pytest.mark.requirement("AU-02")

FIRST_POSITION = 1000
SIZE = 256 * 256 + 3 * 256 + 77
"""One full tile above the leaves, three full ones and a partial one right of it."""
SIZES = [1, 77, 255, 256, 257, 3 * 256, 1024 + 77, 256 * 256 - 1, 256 * 256, 256 * 256 + 1, SIZE - 77, SIZE]
RECORDED_AT = "2026-11-24 03:00:00+00"


def leaf_hashes(first: int, count: int) -> list[bytes]:
    return [sha256(b"leaf %d" % number).digest() for number in range(first, first + count)]


def root_of(leaves: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


async def record(
    pool: Pool, epoch: int, first_position: int, leaves: Sequence[bytes], *, entries_from: int = 0
) -> None:
    """Store an epoch: all its full tiles, and its entries from an index on."""
    await pool.execute(
        "INSERT INTO audit_epoch VALUES ($1, $2, $3, now())", epoch, f"audit.yoyaku/test/{epoch}", first_position
    )
    tiles = [(epoch, tile.level, tile.index, data) for tile, data in TileTree().append(leaves)]
    await pool.copy_records_to_table("audit_tile", records=tiles)
    await pool.execute("SELECT audit_make_partition($1::text::timestamptz)", RECORDED_AT)
    await pool.executemany(
        "INSERT INTO audit_entry (position, recorded_at, epoch, leaf, leaf_hash, source, number, type, stream,"
        " stream_sequence) VALUES ($1, $2::text::timestamptz, $3, 'x', $4, 's', 0, 't', 'B', 1)",
        [(first_position + index, RECORDED_AT, epoch, leaves[index]) for index in range(entries_from, len(leaves))],
    )


@pytest_asyncio.fixture(loop_scope="session")
async def leaves(pool: Pool) -> list[bytes]:
    """The leaves of epoch 2; before it stands one of 300 entries, after it one of three."""
    of_epoch = leaf_hashes(0, SIZE)
    await record(pool, 1, FIRST_POSITION - 300, leaf_hashes(10**6, 300), entries_from=256)
    await record(pool, 2, FIRST_POSITION, of_epoch, entries_from=SIZE - 77)
    await record(pool, 3, FIRST_POSITION + SIZE, leaf_hashes(2 * 10**6, 3))
    return of_epoch


async def test_roots_and_proofs_are_those_of_the_whole_tree(pool: Pool, leaves: list[bytes]) -> None:
    tree = PostgresTree(pool)
    roots = {size: root_of(leaves[:size]) for size in SIZES}
    assert await tree.root(2, 0) == EMPTY_ROOT
    for size, root in roots.items():
        assert await tree.root(2, size) == root
        for index in {0, size // 2, size - 1}:
            verify_inclusion(index, size, leaves[index], await tree.inclusion_proof(2, index, size), root)
    for old in SIZES:
        for new in (size for size in SIZES if size >= old):
            verify_consistency(old, new, roots[old], roots[new], await tree.consistency_proof(2, old, new))
    assert await tree.root(1, 300) == root_of(leaf_hashes(10**6, 300))
    assert await tree.root(3, 3) == root_of(leaf_hashes(2 * 10**6, 3))


async def test_the_right_edge_goes_on_growing(pool: Pool, leaves: list[bytes]) -> None:
    edge = await PostgresTree(pool).tree(2, SIZE)
    more = leaf_hashes(SIZE, 400)
    edge.append(more)
    assert edge.root() == root_of([*leaves, *more])


async def test_what_is_not_there_is_named(pool: Pool, leaves: list[bytes]) -> None:
    tree = PostgresTree(pool)
    with pytest.raises(IncompleteTreeError, match=r"77 of 78 entries of tile/0/259\.p/78 of epoch 2"):
        await tree.root(2, SIZE + 1)
    with pytest.raises(IncompleteTreeError, match="0 of 1 entries"):
        await tree.root(4, 1)
    with pytest.raises(ProofError):
        await tree.inclusion_proof(2, SIZE, SIZE)
    with pytest.raises(ProofError):
        await tree.consistency_proof(2, 2, 1)


async def test_roots_that_were_remembered_are_forgotten_with_the_state_of_the_database(
    pool: Pool, leaves: list[bytes], audit_database: Database
) -> None:
    tree = PostgresTree(pool)
    before = await tree.root(2, SIZE)
    admin: Any = await asyncpg.connect(**audit_database.admin.connect_arguments("test"))
    try:
        # As a restored dump does: another table file, with other content.
        await admin.execute("ALTER TABLE audit_tile DISABLE TRIGGER USER")
        await admin.execute("UPDATE audit_tile SET hashes = decode(repeat('00', 8192), 'hex') WHERE level = 0")
        assert await tree.root(2, SIZE) == before
        await admin.execute("VACUUM FULL audit_tile")
    finally:
        await admin.close()
    assert await tree.root(2, SIZE) != before
