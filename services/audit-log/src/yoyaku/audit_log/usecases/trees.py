"""What the use cases need to know of the trees: roots and proofs of what is committed.

IncompleteTreeError   something that a root or proof is made of is not in the database
"""

from typing import Protocol


class IncompleteTreeError(Exception):
    """Something that a root or a proof is made of is not there; the message names it."""


class Trees(Protocol):
    """The trees of all epochs, each at any size that it ever had.

    `size` counts leaves from the epoch's first position on, `index` is zero-based from there. Every method raises
    ProofError for numbers that fit no tree, IncompleteTreeError, and the errors of yoyaku.postgres.
    """

    async def root(self, epoch: int, size: int) -> bytes:
        """Compute the root at a size: 32 bytes."""

    async def inclusion_proof(self, epoch: int, index: int, size: int) -> list[bytes]:
        """Read the proof that a leaf is in the tree of a size (RFC 6962, section 2.1.1)."""

    async def consistency_proof(self, epoch: int, old_size: int, new_size: int) -> list[bytes]:
        """Read the proof that the tree of `new_size` begins with that of `old_size` (RFC 6962, section 2.1.2)."""
