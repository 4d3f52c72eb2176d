"""How many requests are too many: the generic cell rate algorithm, as pure functions of stored time and clock.

One number a key is remembered: the theoretical arrival time, the moment at which its quota is whole again. Invariant:
of one key, whatever window of `t` seconds is looked at, at most `quota + t / interval` requests are accepted.

Source: ITU-T Recommendation I.371 (03/2004), annex A, the virtual scheduling form of the GCRA(I, L), with the
increment I = interval and the limit L = (quota - 1) * I.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self

NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota that refills steadily: `quota` requests at once, and one more each `interval_ns`."""

    policy: str
    quota: int
    window_seconds: int
    interval_ns: int
    tolerance_ns: int
    """How far the quota may be used ahead of the steady pace: all of it but the request in hand."""

    @classmethod
    def of(cls, policy: str, quota: int, window_seconds: int) -> Self:
        """Make a limit of `quota` requests at once, whole again after `window_seconds` without any."""
        interval_ns = max(1, -(-window_seconds * NANOSECONDS // quota))
        return cls(policy, quota, window_seconds, interval_ns, (quota - 1) * interval_ns)


class Verdict(NamedTuple):
    """Whether a request is accepted, and what is left."""

    accepted: bool
    whole_at_ns: int
    """To be remembered when the request was accepted."""
    remaining: int
    wait_ns: int
    """Until one more request would be accepted than would be now."""


def judge(limit: Limit, whole_at_ns: int, now_ns: int) -> Verdict:
    """Judge one request of a key whose quota is whole again at `whole_at_ns` (0 for a key never seen).

    A refused request costs nothing. A stored time further ahead than the limit could have put it counts as the
    furthest it could.
    """
    whole_at_ns = min(whole_at_ns, now_ns + limit.tolerance_ns + limit.interval_ns)
    too_early = whole_at_ns - limit.tolerance_ns - now_ns
    if too_early > 0:
        return Verdict(False, whole_at_ns, 0, too_early)
    after = max(whole_at_ns, now_ns) + limit.interval_ns
    room = limit.tolerance_ns + limit.interval_ns - (after - now_ns)
    remaining, phase = divmod(room, limit.interval_ns)
    return Verdict(True, after, remaining, limit.interval_ns - phase)


def whole_seconds(nanoseconds: int) -> int:
    """Round up to seconds, at least one: waiting so long is enough."""
    return max(1, -(-nanoseconds // NANOSECONDS))


@lru_cache(maxsize=4096)
def network_of(address: str, ipv6_prefix_bits: int) -> str:
    """Return what an address is counted as: itself, or its IPv6 network, because one client has all of that."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, ipv6_prefix_bits), strict=False))
    except ValueError:
        return address
