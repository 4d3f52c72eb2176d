"""Quotas in a table of fixed size, shared by the workers that a gateway forks (decision 0070).

The table is anonymous shared memory: sets of 8 slots, a slot two 64-bit words, the tag of a key (a keyed hash, so
that nobody can aim at a set) and the time at which its quota is whole again. A new key takes the slot that is whole the
soonest. When that one is whole already, nothing is lost, otherwise it is counted as an eviction.

There is no lock. Two workers that judge the same key within the same microsecond may both write what one of them should
have: at most one request is not counted for each further worker. Two that put different keys into the same slot at once
forget one of them. Invariant: nothing here waits, fails or grows.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from yoyaku.booking.domain.rate import Limit, Verdict, judge

_WAYS: Final = 8
_SET: Final = struct.Struct(f"={2 * _WAYS}Q")
_SLOT: Final = struct.Struct("=QQ")
_TIME: Final = struct.Struct("=Q")


class SharedQuotas:
    """Quotas of at most about `slots` keys; make it before forking, and the children share it."""

    def __init__(self, slots: int, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._sets = max(1, slots // _WAYS)
        self._memory = mmap.mmap(-1, self._sets * _SET.size)
        self._hash = blake2b(digest_size=8, key=os.urandom(32))
        self._clock_ns = clock_ns
        self.on_eviction: Callable[[], None] = _nothing
        """Called in this process whenever it forgets a key before its quota is whole."""

    def take(self, limit: Limit, key: str) -> Verdict:
        """Take one request of a key from its quota, or refuse. Never waits."""
        tag = self._tag(limit, key)
        # The low bits tell keys of one set apart, so the set is chosen by the high ones.
        start = (tag >> 32) % self._sets * _SET.size
        words = _SET.unpack_from(self._memory, start)
        now_ns = self._clock_ns()
        tags = words[::2]
        if tag in tags:
            way = tags.index(tag)
            verdict = judge(limit, words[2 * way + 1], now_ns)
            if verdict.accepted:
                _TIME.pack_into(self._memory, start + way * _SLOT.size + _TIME.size, verdict.whole_at_ns)
            return verdict
        verdict = judge(limit, 0, now_ns)
        times = words[1::2]
        soonest = min(times)
        if soonest > now_ns:
            self.on_eviction()
        _SLOT.pack_into(self._memory, start + times.index(soonest) * _SLOT.size, tag, verdict.whole_at_ns)
        return verdict

    def _tag(self, limit: Limit, key: str) -> int:
        hashed = self._hash.copy()
        hashed.update(f"{limit.policy}\0{key}".encode("utf-8", "surrogateescape"))
        # Zero marks an empty slot.
        return int.from_bytes(hashed.digest(), "little") | 1


def _nothing() -> None:
    """Until somebody counts."""
