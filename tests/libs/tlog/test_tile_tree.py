from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yoyaku.testkit import rfc6962
from yoyaku.tlog.errors import MalformedTileError, ProofError, TlogError
from yoyaku.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, verify_consistency, verify_inclusion
from yoyaku.tlog.tile_proofs import consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion
from yoyaku.tlog.tile_tree import TileTree, tiles_for_rebuild
from yoyaku.tlog.tiles import TILE_WIDTH, TileId, partial_tiles, tile_hash, tiles_of

pytestmark = pytest.mark.requirement("AU-02")

SMALL = 600
DATA = rfc6962.numbered_leaves(SMALL)
HASHES = [leaf_hash(d) for d in DATA]

LARGE = 70_000
"""The example of tlog-tiles: three levels, each with a partial tile."""


@pytest.fixture(scope="module")
def large() -> tuple[list[bytes], dict[int, bytes], dict[TileId, bytes], TileTree]:
    """Hashes, the root at some sizes by the frontier, and all tiles of a tree of 70,000."""
    hashes = [leaf_hash(b"%d" % i) for i in range(LARGE)]
    frontier, roots = Frontier(), {0: EMPTY_ROOT}
    for begin, end in pairwise([0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 69_999, LARGE]):
        frontier.extend(hashes[begin:end])
        roots[end] = frontier.root()
    tree, tiles = TileTree(), {}
    for begin in range(0, LARGE, 1_111):
        tiles.update(tree.append(hashes[begin : begin + 1_111]))
    tiles.update(tree.partials())
    return hashes, roots, tiles, tree


def test_the_tile_tree_has_the_root_of_the_definition_at_every_size() -> None:
    tree, frontier, full = TileTree(), Frontier(), {}
    for size in range(SMALL + 1):
        if size % 37 == 0 or size in {1, 2, 255, 256, 257, 511, 512, 513}:
            assert tree.root() == rfc6962.merkle_tree_hash(DATA[:size])
        assert tree.root() == frontier.root()
        assert tree.size == size
        if size < SMALL:
            full.update(tree.append(HASHES[size : size + 1]))
            frontier.append(HASHES[size])
    assert full == {TileId(0, n): b"".join(HASHES[n * 256 : n * 256 + 256]) for n in range(2)}


def test_the_tiles_of_a_tree_are_those_of_the_definition() -> None:
    """MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]), as the document says."""
    tree = TileTree()
    tiles = dict(tree.append(HASHES)) | tree.partials()
    assert list(tiles) == list(tiles_of(SMALL)) or set(tiles) == set(tiles_of(SMALL))
    for tile, data in tiles.items():
        span = 256**tile.level
        first = tile.index * 256
        parts = [DATA[i * span : (i + 1) * span] for i in range(first, first + tile.width)]
        assert data == b"".join(rfc6962.merkle_tree_hash(part) for part in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.booleans())
def test_how_leaves_are_batched_and_where_one_stops_makes_no_difference(batches: list[int], rebuild: bool) -> None:
    """Stopping after each batch, and going on from the partial tiles or from full tiles and leaves, changes nothing."""
    tree, tiles, at = TileTree(), {}, 0
    for batch in batches:
        more = HASHES[at : at + batch]
        tiles.update(tree.append(more))
        at += len(more)
        if rebuild:
            tree = TileTree.rebuild(at, HASHES[at - at % TILE_WIDTH : at], tiles)
        else:
            tree = TileTree.restore(at, tree.partials())
    whole = TileTree()
    assert tiles == dict(whole.append(HASHES[:at]))
    assert (tree.size, tree.partials(), tree.root()) == (at, whole.partials(), whole.root())
    frontier = Frontier()
    frontier.extend(HASHES[:at])
    assert tree.root() == frontier.root()


def test_three_levels_agree_with_the_frontier(large: tuple) -> None:
    hashes, roots, tiles, tree = large
    assert tree.root() == roots[LARGE]
    assert set(tiles) == set(tiles_of(LARGE))
    for size, root in roots.items():
        other = TileTree()
        other.append(hashes[:size])
        assert other.root() == root
        rebuilt = TileTree.rebuild(size, hashes[size - size % 256 : size], tiles)
        assert rebuilt.partials() == other.partials()
        assert rebuilt.root() == root
    assert tiles[TileId(2, 0, 1)] == tile_hash(tiles[TileId(1, 0)])


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, SMALL), index=st.integers(0), old=st.integers(0))
def test_proofs_from_tiles_are_those_of_the_definition(size: int, index: int, old: int) -> None:
    index, old = index % size, old % size + 1
    tree = TileTree()
    tiles = dict(tree.append(HASHES[:size])) | tree.partials()
    used = {tile: tiles[tile] for tile in tiles_for_inclusion(index, size)}
    assert inclusion_proof(index, size, used) == rfc6962.audit_path(index, DATA[:size])
    used = {tile: tiles[tile] for tile in tiles_for_consistency(old, size)}
    assert consistency_proof(old, size, used) == rfc6962.consistency_proof(old, DATA[:size])
    assert consistency_proof(0, size, {}) == consistency_proof(size, size, {}) == []


def test_proofs_in_three_levels_verify_and_need_few_tiles(large: tuple) -> None:
    hashes, roots, tiles, _ = large
    for size, root in roots.items():
        if not size:
            continue
        tree = TileTree()
        known = {**tiles, **dict(tree.append(hashes[:size])), **tree.partials()}
        for index in {0, size - 1, size // 2, size // 3}:
            wanted = tiles_for_inclusion(index, size)
            assert len(wanted) <= 5
            assert set(wanted) <= set(tiles_of(size))
            proof = inclusion_proof(index, size, {tile: known[tile] for tile in wanted})
            verify_inclusion(index, size, hashes[index], proof, root)
        for old, old_root in roots.items():
            if old <= size:
                wanted = tiles_for_consistency(old, size)
                assert set(wanted) <= set(tiles_of(size))
                proof = consistency_proof(old, size, {tile: known[tile] for tile in wanted})
                verify_consistency(old, size, old_root, root, proof)


def test_a_copy_grows_on_its_own() -> None:
    tree = TileTree()
    tree.append(HASHES[:255])
    before = tree.root()
    other = tree.copy()
    assert [tile for tile, _ in other.append(HASHES[255:300])] == [TileId(0, 0)]
    assert (tree.size, tree.root()) == (255, before)
    assert [tile for tile, _ in tree.append(HASHES[255:300])] == [TileId(0, 0)]
    assert tree.root() == other.root()


def test_what_is_no_hash_is_not_appended() -> None:
    tree = TileTree()
    with pytest.raises(TlogError, match="hash 1 has 33 bytes"):
        tree.append([HASHES[0], HASHES[0] + b"x"])
    assert (tree.size, tree.partial(0), tree.partial(5), tree.append([])) == (0, b"", b"", [])


def test_a_state_that_is_none_is_refused() -> None:
    tree = TileTree()
    tiles = dict(tree.append(HASHES))
    [level0, level1] = partial_tiles(SMALL)
    assert (tree.partial(0), tree.partial(1)) == (tree.partials()[level0], tree.partials()[level1])
    good = tree.partials()
    with pytest.raises(MalformedTileError, match=r"tile/1/000\.p/2 is missing"):
        TileTree.restore(SMALL, {level0: good[level0]})
    with pytest.raises(MalformedTileError, match=r"tile/0/002\.p/88 has 2815 bytes instead of 2816"):
        TileTree.restore(SMALL, {**good, level0: good[level0][1:]})
    with pytest.raises(MalformedTileError, match=r"tile/0/000 is no partial tile"):
        TileTree.restore(SMALL, {**good, **tiles})
    with pytest.raises(MalformedTileError, match="tree size -1"):
        TileTree.restore(-1, {})
    assert tiles_for_rebuild(SMALL) == [TileId(0, 0), TileId(0, 1)]
    with pytest.raises(MalformedTileError, match="tile/0/001 is missing"):
        TileTree.rebuild(SMALL, HASHES[512:], {TileId(0, 0): tiles[TileId(0, 0)]})
    with pytest.raises(MalformedTileError, match="tile/0/001 has 8191 bytes"):
        TileTree.rebuild(SMALL, HASHES[512:], {**tiles, TileId(0, 1): tiles[TileId(0, 1)][1:]})
    with pytest.raises(MalformedTileError, match=r"tile/0/002\.p/88 has 2784 bytes"):
        TileTree.rebuild(SMALL, HASHES[513:], tiles)
    with pytest.raises(MalformedTileError, match="has no partial tile of leaves, but 1 are given"):
        TileTree.rebuild(512, HASHES[:1], tiles)


def test_a_proof_without_its_tiles_is_refused() -> None:
    tree = TileTree()
    tiles = dict(tree.append(HASHES)) | tree.partials()
    with pytest.raises(MalformedTileError, match=r"tile/1/000\.p/2 is missing"):
        inclusion_proof(SMALL - 1, SMALL, {k: v for k, v in tiles.items() if k.level == 0})
    with pytest.raises(MalformedTileError, match="tile/0/000 has 1 bytes"):
        inclusion_proof(0, SMALL, {**tiles, TileId(0, 0): b"x"})
    with pytest.raises(ProofError):
        inclusion_proof(SMALL, SMALL, tiles)
    with pytest.raises(ProofError):
        tiles_for_consistency(SMALL, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_tiles_are_named_at_any_size(one: int, other: int) -> None:
    low, high = min(one, other), max(one, other)
    if low < high:
        assert len(tiles_for_inclusion(low, high)) <= 16
    assert len(tiles_for_consistency(low, high)) <= 16
    assert sum(tile.width << 8 * tile.level for tile in partial_tiles(high)) == high
