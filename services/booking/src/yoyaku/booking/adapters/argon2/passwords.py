"""Argon2id at OWASP's parameters, in a few threads of low priority beside the event loop.

Invariant: at most `threads` hashes run and `waiting_limit` wait; a check without a stored hash costs the same.
Source: OWASP Password Storage Cheat Sheet (9 MiB, four passes, one lane); RFC 9106.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from yoyaku.booking.domain.errors import BusyError

MEMORY_KIB: Final = 9 * 1024
PASSES: Final = 4
LANES: Final = 1
NICENESS: Final = 10
"""Requests that book rooms share the processors with sign-ins and go first."""

_Result = TypeVar("_Result")


def hasher(memory_kib: int, passes: int) -> PasswordHasher:
    """Return what hashes with these parameters."""
    return PasswordHasher(
        time_cost=passes, memory_cost=memory_kib, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID
    )


class Argon2Passwords:
    """Hashes and checks passwords; close it when done."""

    def __init__(self, *, threads: int, waiting_limit: int, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = hasher(memory_kib, passes)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_step_back)
        self._limit = threads + waiting_limit
        self._busy = 0
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Hash a new password. Raises BusyError."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Check a password; without a stored hash it costs the same and is never right. Raises BusyError."""
        right = await self._run(lambda: self._matches(stored or self._nobody, password))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Say whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        if self._busy >= self._limit:
            raise BusyError("too many sign-ins wait")
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._busy -= 1


def _step_back() -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError:
        return
