"""The keys that sign access tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from yoyaku.booking.domain.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key; the secret half is sealed and of no use without the key-encryption key."""

    key_id: str
    public_key: bytes
    sealed_private_key: bytes


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with its sealed secret, as long as that is kept."""

    key: SigningKey
    sealed_private_key: bytes | None


class KeyMaker(Protocol):
    """Makes key pairs."""

    def __call__(self) -> KeyPair:
        """Return a new one."""


class SigningKeys(Protocol):
    """The signing keys, inside a transaction."""

    async def all_for_change(self) -> Sequence[SigningKey]:
        """Read every key, oldest first; transactions that ask take turns until they end."""

    async def add(self, key: SigningKey, sealed_private_key: bytes) -> None:
        """Store a new key."""

    async def change(self, key: SigningKey) -> None:
        """Store a key's end or revocation; what is revoked loses its secret."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The public halves as others may fetch them (RFC 7517)."""

    body: bytes
    etag: str


class KeyPublisher(Protocol):
    """The keys as this process knows them."""

    def published(self) -> PublishedKeys:
        """Return the public keys that verify, those that will sign later among them."""
