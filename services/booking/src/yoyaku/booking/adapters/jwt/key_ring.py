"""The signing keys as one process knows them: read every two seconds, and when a token names a key not seen yet.

Invariants: reads for unknown keys are at most one a second, shared by those who wait; a read that fails leaves the keys
as they are, and each still ends when it was to end.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from loguru import logger

from yoyaku.booking.adapters.jwt.sealing import Seal, SealBrokenError, public_jwk
from yoyaku.booking.domain.errors import ServiceUnavailableError
from yoyaku.booking.domain.signing_key import SigningKey, signer
from yoyaku.booking.usecases.ports.chance import Clock
from yoyaku.booking.usecases.ports.signing_keys import PublishedKeys, StoredKey
from yoyaku.messaging.waiting import ended
from yoyaku.postgres.errors import PostgresError

READ_EVERY_SECONDS: Final = 2.0
UNKNOWN_EVERY_SECONDS: Final = 1.0
WAITING_LIMIT: Final = 100
"""Requests that may wait for a read because of an unknown key; more are answered at once."""

MISSED_SECONDS: Final = 5.0
"""How long a key that was not there is not read for again."""
MISSED_LIMIT: Final = 1_000


class KeyRing:
    """Knows which key signs and which verify."""

    def __init__(self, read: Callable[[], Awaitable[Sequence[StoredKey]]], seal: Seal, *, now: Clock) -> None:
        self._read = read
        self._seal = seal
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._verifiers: dict[str, Ed25519PublicKey] = {}
        self._secrets: dict[str, Ed25519PrivateKey] = {}
        self._unreadable: set[str] = set()
        self._published = PublishedKeys(b"", "")
        self._last_read = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0
        self._missed: dict[str, float] = {}
        self.edition = 0
        """Grows when a key is no longer believed, or a new one is."""

    async def __aenter__(self) -> Self:
        await self.load()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            await ended(self._reading)

    async def load(self) -> None:
        """Read the keys. Raises PostgresError."""
        self._last_read = asyncio.get_running_loop().time()
        self._take(await self._read())

    async def follow(self) -> None:
        """Read the keys every two seconds, for ever; the database being away is waited out."""
        away = False
        while True:
            await asyncio.sleep(READ_EVERY_SECONDS)
            try:
                await self.load()
                away = False
            except PostgresError as error:
                if not away:
                    logger.bind(cause=str(error)).warning("signing keys must wait for the database")
                away = True

    async def verifier(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key of a token, read from the database when it is not known yet. Raises PostgresError."""
        if key_id not in self._keys and not self._was_missed(key_id):
            await self._look_again(key_id)
        key = self._keys.get(key_id)
        return self._verifiers[key_id] if key is not None and key.verifies(self._now()) else None

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the id and the secret of the key that signs now. Raises ServiceUnavailableError."""
        found = signer((self._keys[key_id] for key_id in self._secrets), self._now())
        if found is None:
            raise ServiceUnavailableError("signing keys")
        return found.key_id, self._secrets[found.key_id]

    def published(self) -> PublishedKeys:
        """Return the public keys that verify, those that will sign later among them."""
        return self._published

    def _was_missed(self, key_id: str) -> bool:
        """Say whether the key was looked for and not there a moment ago; regular reading finds it when it comes."""
        return self._missed.get(key_id, float("-inf")) > asyncio.get_running_loop().time()

    def _note_missed(self, key_id: str) -> None:
        if key_id in self._keys:
            return
        if len(self._missed) >= MISSED_LIMIT:
            self._missed.clear()
        self._missed[key_id] = asyncio.get_running_loop().time() + MISSED_SECONDS

    async def _look_again(self, key_id: str) -> None:
        if self._waiting >= WAITING_LIMIT:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_when_due(), name="signing keys")
        self._waiting += 1
        try:
            await asyncio.shield(self._reading)
        finally:
            self._waiting -= 1
        self._note_missed(key_id)

    async def _read_when_due(self) -> None:
        due = self._last_read + UNKNOWN_EVERY_SECONDS - asyncio.get_running_loop().time()
        if due > 0:
            await asyncio.sleep(due)
        await self.load()

    def _take(self, stored: Sequence[StoredKey]) -> None:
        keys = {one.key.key_id: one.key for one in stored}
        for one in stored:
            self._learn(one)
        for gone in self._keys.keys() - keys.keys():
            self._verifiers.pop(gone, None)
            self._secrets.pop(gone, None)
            self._unreadable.discard(gone)
        if self._keys.keys() != keys.keys():
            self.edition += 1
            self._published = _published(list(keys.values()))
        self._keys = keys

    def _learn(self, stored: StoredKey) -> None:
        key_id = stored.key.key_id
        if key_id not in self._verifiers:
            self._verifiers[key_id] = Ed25519PublicKey.from_public_bytes(stored.key.public_key)
        if stored.sealed_private_key is None or key_id in self._secrets or key_id in self._unreadable:
            return
        try:
            self._secrets[key_id] = self._seal.open(key_id, stored.sealed_private_key)
        except SealBrokenError as error:
            self._unreadable.add(key_id)
            logger.bind(cause=str(error), key_id=key_id).error("a signing key cannot be opened; another signs")


def _published(keys: Sequence[SigningKey]) -> PublishedKeys:
    listed = [public_jwk(key.public_key) | {"kid": key.key_id, "alg": "EdDSA", "use": "sig"} for key in keys]
    body = json.dumps({"keys": listed}, separators=(",", ":")).encode()
    return PublishedKeys(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
