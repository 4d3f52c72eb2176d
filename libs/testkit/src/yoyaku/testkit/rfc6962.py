"""The definitions of RFC 6962, section 2.1, word for word and slow: what trees are compared with."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

LEAVES: Final = tuple(
    map(
        bytes.fromhex,
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"],
    )
)
"""The leaves that Certificate Transparency implementations are tested with."""

ROOTS: Final = tuple(
    map(
        bytes.fromhex,
        [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ],
    )
)
"""The roots of the trees of the first 0 to 8 of LEAVES."""


def numbered_leaves(count: int) -> list[bytes]:
    """Make `count` different leaves."""
    return [b"leaf %d" % number for number in range(count)]


def split(count: int) -> int:
    """Tell k: the largest power of two smaller than `count`, which is 2 or more."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def merkle_tree_hash(data: Sequence[bytes]) -> bytes:
    """MTH(D[n]) over leaves (not hashes of leaves)."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return sha256(b"\x01" + merkle_tree_hash(data[:k]) + merkle_tree_hash(data[k:])).digest()


def audit_path(m: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]): the proof that leaf m is in the tree over `data`."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*audit_path(m, data[:k]), merkle_tree_hash(data[k:])]
    return [*audit_path(m - k, data[k:]), merkle_tree_hash(data[:k])]


def consistency_proof(m: int, data: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]): that the tree over `data` begins with that over its first m leaves; m is 1 or more."""
    return _subproof(m, data, whole=True)


def _subproof(m: int, data: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [merkle_tree_hash(data)]
    k = split(len(data))
    if m <= k:
        return [*_subproof(m, data[:k], whole=whole), merkle_tree_hash(data[k:])]
    return [*_subproof(m - k, data[k:], whole=False), merkle_tree_hash(data[:k])]
