"""The answers kept under Idempotency-Keys (BK-04)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first successful answer given under an Idempotency-Key."""

    status: int
    body: bytes
    replayed: bool = False
    """Whether it was given before."""


class Answers(Protocol):
    """The answers kept under Idempotency-Keys, inside a transaction (BK-04)."""

    async def claim(self, person_id: UUID, key: str, fingerprint: bytes, now: datetime) -> StoredAnswer | None:
        """Return the kept answer, or None and the right to keep one; an answer whose time is over is forgotten.

        Never waits. Raises RequestInProgressError for a twin in flight, KeyReusedError for another fingerprint.
        """

    async def keep(self, person_id: UUID, key: str, fingerprint: bytes, answer: StoredAnswer, now: datetime) -> None:
        """Keep the answer until it expires. Raises RequestInProgressError when a twin has just kept one."""
