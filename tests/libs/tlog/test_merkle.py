from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yoyaku.testkit import rfc6962
from yoyaku.tlog.errors import ProofError, TlogError
from yoyaku.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_nodes,
    fold,
    inclusion_nodes,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

pytestmark = pytest.mark.requirement("AU-02")

SIZES = 130
DATA = rfc6962.numbered_leaves(SIZES)
HASHES = [leaf_hash(d) for d in DATA]
ROOTS = [rfc6962.merkle_tree_hash(DATA[:n]) for n in range(SIZES + 1)]


def subtree(node: Node) -> bytes:
    begin = node.index << node.level
    return rfc6962.merkle_tree_hash(DATA[begin : begin + (1 << node.level)])


def resolved(steps: list[tuple[Node, ...]]) -> list[bytes]:
    return [fold([subtree(node) for node in step]) for step in steps]


def test_the_vectors_of_certificate_transparency() -> None:
    frontier = Frontier()
    for size, root in enumerate(rfc6962.ROOTS):
        assert frontier.root() == root
        assert frontier.size == size
        if size < len(rfc6962.LEAVES):
            frontier.append(leaf_hash(rfc6962.LEAVES[size]))


def test_the_published_proofs_of_the_vectors() -> None:
    """The proofs of leaf 0 of 8 and from 6 to 8, as Certificate Transparency implementations publish them."""
    root = rfc6962.ROOTS[8]
    path = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    verify_inclusion(0, 8, leaf_hash(b""), [bytes.fromhex(h) for h in path], root)
    consistency = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    verify_consistency(6, 8, rfc6962.ROOTS[6], root, [bytes.fromhex(h) for h in consistency])


def test_the_frontier_has_the_root_of_the_definition_at_every_size() -> None:
    frontier = Frontier()
    for size in range(SIZES):
        assert frontier.root() == ROOTS[size]
        assert len(frontier.hashes) == size.bit_count()
        frontier.append(HASHES[size])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8))
def test_how_leaves_are_batched_and_where_one_stops_makes_no_difference(batches: list[int]) -> None:
    frontier, at = Frontier(), 0
    for batch in batches:
        more = HASHES[at : at + batch]
        frontier.extend(more)
        at += len(more)
        frontier = Frontier.of(frontier.size, frontier.hashes)
    assert frontier.size == at
    assert frontier.root() == ROOTS[at]


def test_a_copy_grows_on_its_own() -> None:
    one = Frontier.of(1, HASHES[:1])
    other = one.copy()
    other.append(HASHES[1])
    assert (one.size, one.root(), other.root()) == (1, ROOTS[1], ROOTS[2])


def test_every_proof_of_inclusion_is_that_of_the_definition_and_verifies() -> None:
    for size in range(1, SIZES + 1):
        for index in range(size) if size < 70 else (0, 1, size // 2, size - 2, size - 1):
            proof = resolved(inclusion_nodes(index, size))
            assert proof == rfc6962.audit_path(index, DATA[:size])
            verify_inclusion(index, size, HASHES[index], proof, ROOTS[size])


def test_every_proof_of_consistency_is_that_of_the_definition_and_verifies() -> None:
    for new in range(SIZES + 1):
        for old in range(new + 1) if new < 70 else (0, 1, 2, 63, 64, 65, new // 2, new - 1, new):
            proof = resolved(consistency_nodes(old, new))
            assert proof == (rfc6962.consistency_proof(old, DATA[:new]) if old else [])
            verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


def flipped(data: bytes, bit: int) -> bytes:
    at = bit % (len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def mutations(proof: list[bytes], place: int, bit: int) -> list[list[bytes]]:
    """Everything that a forger might try: one bit, one hash less or more, two changed places."""
    changed = [[*proof, HASHES[0]], [HASHES[0], *proof]]
    if proof:
        at = place % len(proof)
        changed.append([*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]])
        changed.append(proof[:at] + proof[at + 1 :])
        changed.append([*proof[:at], proof[at], *proof[at:]])
        changed.append([*proof[:at], proof[at][:-1], *proof[at + 1 :]])
        if proof[at] != proof[at - 1]:
            swapped = list(proof)
            swapped[at], swapped[at - 1] = swapped[at - 1], swapped[at]
            changed.append(swapped)
    return changed


@settings(max_examples=150, deadline=None)
@given(st.integers(1, SIZES), st.integers(0), st.integers(0, 7), st.integers(0, 255))
@example(1, 0, 0, 0)
def test_a_changed_proof_of_inclusion_is_refused(size: int, index: int, place: int, bit: int) -> None:
    index %= size
    proof = rfc6962.audit_path(index, DATA[:size])
    for changed in mutations(proof, place, bit):
        with pytest.raises(ProofError):
            verify_inclusion(index, size, HASHES[index], changed, ROOTS[size])
    with pytest.raises(ProofError, match="leads to the root"):
        verify_inclusion(index, size, flipped(HASHES[index], bit), proof, ROOTS[size])
    with pytest.raises(ProofError):
        verify_inclusion(index, size, HASHES[index], proof, flipped(ROOTS[size], bit))
    for other in {0, size - 1, index ^ 1, size} - {index}:
        with pytest.raises(ProofError):
            verify_inclusion(other, size, HASHES[index], proof, ROOTS[size])


@settings(max_examples=150, deadline=None)
@given(st.integers(1, SIZES), st.integers(0), st.integers(0, 7), st.integers(0, 255))
def test_a_changed_proof_of_consistency_is_refused(new: int, old: int, place: int, bit: int) -> None:
    old = old % new + 1
    proof = rfc6962.consistency_proof(old, DATA[:new])
    for changed in mutations(proof, place, bit):
        with pytest.raises(ProofError):
            verify_consistency(old, new, ROOTS[old], ROOTS[new], changed)
    with pytest.raises(ProofError):
        verify_consistency(old, new, flipped(ROOTS[old], bit), ROOTS[new], proof)
    with pytest.raises(ProofError):
        verify_consistency(old, new, ROOTS[old], flipped(ROOTS[new], bit), proof)


def test_a_tree_whose_past_was_edited_is_not_consistent() -> None:
    edited = [*DATA[:3], b"edited", *DATA[4:20]]
    root = rfc6962.merkle_tree_hash(edited)
    for old in range(4, 20):
        with pytest.raises(ProofError, match="root"):
            verify_consistency(old, 20, ROOTS[old], root, rfc6962.consistency_proof(old, edited))
    verify_consistency(3, 20, ROOTS[3], root, rfc6962.consistency_proof(3, edited))


def test_an_empty_tree_has_one_root_and_needs_no_proof() -> None:
    assert sha256(b"").digest() == EMPTY_ROOT
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    with pytest.raises(ProofError, match="empty tree"):
        verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    with pytest.raises(ProofError, match="has 0 hashes, not 1"):
        verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [ROOTS[1]])


def test_one_size_with_two_roots_is_said() -> None:
    with pytest.raises(ProofError, match="two trees of size 5"):
        verify_consistency(5, 5, ROOTS[5], ROOTS[4], [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (7, 5), (0, -1), (0, 2**63), (2**70, 2**71)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        inclusion_nodes(index, size)
    with pytest.raises(ProofError, match=r"there is no leaf|tree size"):
        verify_inclusion(index, size, HASHES[0], [], HASHES[0])


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1), (0, 2**63), (2**64, 2**65)])
def test_sizes_that_cannot_follow_each_other_have_no_proof(old: int, new: int) -> None:
    with pytest.raises(ProofError):
        consistency_nodes(old, new)
    with pytest.raises(ProofError):
        verify_consistency(old, new, HASHES[0], HASHES[0], [])


def test_the_largest_sizes_take_no_time() -> None:
    largest = 2**63 - 1
    assert len(inclusion_nodes(largest - 1, largest)) == 62
    assert len(inclusion_nodes(0, largest)) == 63
    assert len(consistency_nodes(largest - 1, largest)) <= 64


def test_a_state_that_is_none_is_refused() -> None:
    with pytest.raises(TlogError, match="2 full subtrees, not 1"):
        Frontier.of(3, HASHES[:1])
    with pytest.raises(TlogError, match="hash 0 has 31 bytes"):
        Frontier.of(1, [HASHES[0][:31]])
    with pytest.raises(TlogError):
        Frontier.of(-1, [])
    frontier = Frontier()
    with pytest.raises(TlogError, match="hash 1 has 0 bytes"):
        frontier.extend([HASHES[0], b""])
    assert frontier.size == 0
