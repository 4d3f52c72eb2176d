"""The Merkle tree of RFC 6962 (section 2.1): hashes, append-only state, and proofs and their verification.

A tree of size n is over the leaves 0 to n - 1. Every tree is a row of **full subtrees**, one for each bit of its size,
the largest on the left: the node (level, index) is the full subtree over the leaves index * 2**level up to (not
including) (index + 1) * 2**level, and never changes once those leaves are there. What a proof is made of is told as
such nodes, so it can be read from anything that stores them. Hashes are SHA-256, 32 bytes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from yoyaku.tlog.errors import ProofError, TlogError
from yoyaku.tlog.strict import HASH_BYTES, LARGEST_SIZE

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of the tree without leaves. Source: RFC 6962, section 2.1."""


@dataclass(frozen=True, slots=True)
class Node:
    """A full subtree: 2**level leaves; `index` counts the subtrees of that level from the left."""

    level: int
    index: int


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of a leaf. Source: RFC 6962, section 2.1 (prefix 0x00)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent. Source: RFC 6962, section 2.1 (prefix 0x01)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Hash a row of full subtrees, the largest on the left, into the root over all of them; at least one."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = sha256(b"\x01" + left + root).digest()
    return root


class Frontier:
    """A tree that can only grow, in O(log n) memory: the hashes of its full subtrees, the largest on the left.

    `root` is that of all leaves appended so far, whatever was appended at once. Not for use from several threads.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def of(cls, size: int, hashes: Iterable[bytes]) -> Self:
        """Go on from a state: its `size` and its `hashes`. Raises TlogError when they do not belong together."""
        frontier = cls()
        frontier._hashes = list(hashes)
        _check_size(size, "tree size")
        if len(frontier._hashes) != size.bit_count():
            raise TlogError(f"a tree of size {size} has {size.bit_count()} full subtrees, not {len(frontier._hashes)}")
        check_hashes(frontier._hashes)
        frontier._size = size
        return frontier

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The full subtrees, the largest on the left: one for each bit of `size`."""
        return tuple(self._hashes)

    def root(self) -> bytes:
        """Compute the root; EMPTY_ROOT without leaves."""
        return fold(self._hashes) if self._hashes else EMPTY_ROOT

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its hash."""
        self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaves by their hashes, in order. Raises TlogError, and adds none, when one is no hash."""
        check_hashes(leaves)
        hashes, size, digest = self._hashes, self._size, sha256
        pop, push = hashes.pop, hashes.append
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node = digest(b"\x01" + pop() + node).digest()
                rest >>= 1
            push(node)
            size += 1
        self._size = size

    def copy(self) -> "Frontier":
        """Take a copy that grows on its own."""
        return Frontier.of(self._size, self._hashes)


def range_nodes(begin: int, end: int) -> tuple[Node, ...]:
    """Name the full subtrees over the leaves from `begin` up to (not including) `end`, the largest on the left.

    `begin` is a multiple of the smallest power of two that is not below `end - begin`, as in every subtree of RFC 6962.
    """
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return tuple(nodes)


def inclusion_nodes(index: int, size: int) -> list[tuple[Node, ...]]:
    """Name what proves that a leaf is in the tree of a size: for each hash of the proof the nodes that `fold` into it.

    Order: from the leaf's sibling to the child of the root. Raises ProofError for a leaf outside the tree.
    Source: RFC 6962, section 2.1.1.
    """
    _check_size(size, "tree size")
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of size {size}")
    begin, end, steps = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            steps.append(range_nodes(middle, end))
            end = middle
        else:
            steps.append(range_nodes(begin, middle))
            begin = middle
    steps.reverse()
    return steps


def consistency_nodes(old_size: int, new_size: int) -> list[tuple[Node, ...]]:
    """Name what proves that a tree begins with an older one: for each hash of the proof the nodes that `fold` into it.

    Empty when the old tree is empty or both are equal. Raises ProofError when the old tree is the larger one.
    Source: RFC 6962, section 2.1.2.
    """
    _check_size(old_size, "old tree size")
    _check_size(new_size, "new tree size")
    if old_size > new_size:
        raise ProofError(f"a tree of size {new_size} cannot begin with one of size {old_size}")
    if old_size in {0, new_size}:
        return []
    begin, end, steps, whole = 0, new_size, [], True
    while old_size != end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            steps.append(range_nodes(middle, end))
            end = middle
        else:
            steps.append(range_nodes(begin, middle))
            begin, whole = middle, False
    if not whole:
        steps.append(range_nodes(begin, end))
    steps.reverse()
    return steps


def root_of_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Compute the root that a proof of inclusion leads to.

    Raises ProofError when the leaf is outside the tree, or the proof has another length than such a proof has.
    Source: RFC 9162, section 2.1.3.2, with the length known beforehand.
    """
    _check_size(size, "tree size")
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of size {size}")
    # Below the level at which the leaf's path and the right edge part, a sibling is left or right by the index's bit;
    # above it every sibling that there is stands on the left.
    inner = (index ^ (size - 1)).bit_length()
    expected = inner + (index >> inner).bit_count()
    _check_proof([leaf, *proof])
    if len(proof) != expected:
        raise ProofError(f"a proof of leaf {index} in a tree of size {size} has {expected} hashes, not {len(proof)}")
    node = leaf
    for level, sibling in enumerate(proof):
        left = level >= inner or index >> level & 1
        node = node_hash(sibling, node) if left else node_hash(node, sibling)
    return node


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with this hash is in the tree of that size and root. Raises ProofError."""
    computed = root_of_inclusion(index, size, leaf, proof)
    if computed != root:
        raise ProofError(
            f"the proof of leaf {index} leads to the root {computed.hex()}, the tree of size {size} has {root.hex()}"
        )


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the new tree begins with the old one. Raises ProofError, saying what is wrong.

    Where no hash is needed (the old tree is empty, or both have one size) the proof must be empty, and the root of
    an empty tree must be EMPTY_ROOT. Source: RFC 9162, section 2.1.4.2; C2SP tlog-witness for the empty tree.
    """
    expected = len(consistency_nodes(old_size, new_size))
    _check_proof([old_root, new_root, *proof])
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError(f"the root of an empty tree is {EMPTY_ROOT.hex()}, not {root.hex()}")
    if len(proof) != expected:
        raise ProofError(f"a proof from size {old_size} to size {new_size} has {expected} hashes, not {len(proof)}")
    if old_size == new_size and old_root != new_root:
        raise ProofError(f"two trees of size {old_size} have the roots {old_root.hex()} and {new_root.hex()}")
    if expected == 0:
        return
    old, new = _roots_of_consistency(old_size, new_size, old_root, proof)
    if old != old_root:
        raise ProofError(
            f"the proof leads to the old root {old.hex()}, but the tree of size {old_size} has {old_root.hex()}"
        )
    if new != new_root:
        raise ProofError(
            f"the proof leads to the new root {new.hex()}, but the tree of size {new_size} has {new_root.hex()}"
        )


def _roots_of_consistency(old_size: int, new_size: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Compute the roots of both trees; sizes are 0 < old < new, and the length of the proof is right."""
    hashes = iter(proof)
    # The old tree's last full subtree is where both begin. When it is the whole old tree, the proof leaves it out.
    power = old_size & (old_size - 1) == 0
    old = new = old_root if power else next(hashes)
    shift = (old_size & -old_size).bit_length() - 1
    left_edge, right_edge = (old_size - 1) >> shift, (new_size - 1) >> shift
    for sibling in hashes:
        if left_edge & 1 or left_edge == right_edge:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while left_edge and not left_edge & 1:
                left_edge, right_edge = left_edge >> 1, right_edge >> 1
        else:
            new = node_hash(new, sibling)
        left_edge, right_edge = left_edge >> 1, right_edge >> 1
    return old, new


def check_hashes(hashes: Collection[bytes]) -> None:
    """Refuse what is no SHA-256 hash. Raises TlogError with the place of the first one."""
    if set(map(len, hashes)) - {HASH_BYTES}:
        place, wrong = next((i, len(h)) for i, h in enumerate(hashes) if len(h) != HASH_BYTES)
        raise TlogError(f"hash {place} has {wrong} bytes instead of {HASH_BYTES}")


def _check_proof(hashes: Iterable[bytes]) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise ProofError(f"a hash of the proof has not {HASH_BYTES} bytes")


def _check_size(size: int, what: str) -> None:
    if not 0 <= size <= LARGEST_SIZE:
        raise ProofError(f"{what} {size} is not between 0 and {LARGEST_SIZE}")


def _split(leaves: int) -> int:
    """Tell how many leaves stand in the left subtree: the largest power of two below `leaves`, which is 2 or more."""
    return 1 << ((leaves - 1).bit_length() - 1)
