"""What the use cases need of the keys of personal values. Readers need `reader_ports.Unsealer`."""

from collections.abc import Collection
from typing import Any, Protocol


class Keyring(Protocol):
    """The keys of some data subjects; those of the forgotten are not in it."""

    def has(self, key_references: Collection[str]) -> bool:
        """Whether all of them are there."""

    def seal(self, key_reference: str, associated_data: bytes, plaintext: bytes) -> dict[str, Any]:
        """Give what stands in a leaf in place of a value: ciphertext, or that its person was forgotten."""

    def digest(self, key_references: tuple[str, ...], fact_sha256: bytes) -> bytes:
        """Give the keyed digest of a fact, which takes all of these keys; they must be there."""

    def seal_evidence(self, key_references: tuple[str, ...], plaintext: bytes) -> bytes:
        """Encrypt evidence so that it takes all of these keys to read it; they must be there."""


class PersonalKeys(Protocol):
    """Keys of data subjects in the database, inside of one transaction of the sequencer."""

    async def keyring(self, new: Collection[str], known: Collection[str]) -> Keyring:
        """Return the keys under these references.

        Those of `new` are made when they are not there, unless their person was forgotten; they are committed with
        what they seal. One that cannot be used is as one that was destroyed. Raises the errors of yoyaku.postgres.
        """


class KeyUnusableError(Exception):
    """A key cannot be unwrapped: the master key is another one than it was wrapped with."""
