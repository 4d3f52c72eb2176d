"""Forget a data subject: their key is destroyed, so that what the log holds of them can be read by nobody (AU-06).

The order makes every crash harmless: a tombstone outside of the database first, then the key, then the fact. Whoever
repeats the request goes on where it ended; a tombstone alone is enough for the next term to forget.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class TombstonesAwayError(Exception):
    """The store of tombstones does not answer: nobody is forgotten, since a restore would bring them back."""


class Tombstones(Protocol):
    """Who was forgotten, kept where a restore of the database does not reach."""

    async def put(self, key_reference: str) -> None:
        """Keep it for ever; nothing happens when it is kept. Raises TombstonesAwayError."""

    async def missing_of(self, forgotten: Sequence[str]) -> Sequence[str]:
        """Return the references that are kept and not among these. Raises TombstonesAwayError."""


class KeyDestroyer(Protocol):
    """The role that may delete keys and nothing else. Raises the errors of yoyaku.postgres."""

    async def destroy(self, key_references: Sequence[str]) -> Sequence[str]:
        """Delete keys and the digests of addresses, and remember it; return those that had a key, in one transaction.

        Nobody gets a new key under these references again.
        """

    async def forgotten(self) -> Sequence[str]:
        """Return everybody who was forgotten."""

    async def sweep(self) -> int:
        """Delete what came back, or was being written meanwhile, of everybody who was forgotten; return how much."""


class ForgetReports(Protocol):
    """Tells of it, through the outbox. Raises the errors of yoyaku.postgres."""

    async def told(self, key_reference: str, requested_by: str) -> None:
        """Tell `audit.person.forgotten.v1`; committed when this returns."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done."""

    key_reference: str
    was_known: bool
    """Whether there was a key."""


class Forget:
    """Forgets one data subject for ever."""

    def __init__(self, tombstones: Tombstones, keys: KeyDestroyer, reports: ForgetReports) -> None:
        self._tombstones = tombstones
        self._keys = keys
        self._reports = reports

    async def __call__(self, key_reference: str, requested_by: str) -> Forgotten:
        """Forget. Raises TombstonesAwayError, and the errors of yoyaku.postgres; repeating it is safe."""
        await self._tombstones.put(key_reference)
        had_a_key = await self._keys.destroy([key_reference])
        await self._reports.told(key_reference, requested_by)
        await self._keys.sweep()
        return Forgotten(key_reference, bool(had_a_key))


class ForgetAgain:
    """Forgets those whom a restored database knows again."""

    def __init__(self, tombstones: Tombstones, keys: KeyDestroyer) -> None:
        self._tombstones = tombstones
        self._keys = keys

    async def __call__(self) -> int:
        """Return how many were forgotten again. Raises TombstonesAwayError, and the errors of yoyaku.postgres."""
        await self._keys.sweep()
        missing = await self._tombstones.missing_of(await self._keys.forgotten())
        if missing:
            await self._keys.destroy(missing)
        return len(missing)
