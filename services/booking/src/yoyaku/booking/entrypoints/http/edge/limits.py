"""Rate limits as clients see them: 429 with Retry-After, and on every limited answer how much is left.

Source of the fields: draft-ietf-httpapi-ratelimit-headers-10. `q` is the quota that may be used at once, `w` the
seconds in which it refills; `r` is what remains, `t` the seconds until more does.
"""

from collections.abc import Iterable, MutableMapping
from functools import cache
from typing import Any, Final

from yoyaku.booking.domain.errors import TooManyRequestsError
from yoyaku.booking.domain.rate import Limit, network_of
from yoyaku.booking.entrypoints.http.metrics import count_throttled
from yoyaku.booking.usecases.limit_requests import CONCURRENT, SIGN_IN_ACCOUNT, LimitRequests, Standing

_STANDINGS_KEY: Final = "yoyaku.standings"
_POLICY_HEADER: Final = b"ratelimit-policy"
_STANDING_HEADER: Final = b"ratelimit"
_UNLIMITED: Final = frozenset({"/docs", "/openapi.json"})
_UNLIMITED_BELOW: Final = "/docs/"
_CONCURRENT_RETRY_SECONDS: Final = 1


def is_limited(path: str) -> bool:
    """Whether requests for a path are counted; static files are not."""
    return path not in _UNLIMITED and not path.startswith(_UNLIMITED_BELOW)


def note(scope: MutableMapping[str, Any], standing: Standing | None) -> None:
    """Have the answer say how its client stands. Raises TooManyRequestsError when it was one request too many."""
    if standing is None:
        return
    # How often an account is knocked at is nobody's business, unless it is the reason.
    if standing.limit.policy != SIGN_IN_ACCOUNT or not standing.accepted:
        scope.setdefault(_STANDINGS_KEY, []).append(standing)
    if not standing.accepted:
        count_throttled(standing.limit.policy)
        raise TooManyRequestsError(standing.limit.policy, standing.more_in_seconds)


def standing_headers(scope: MutableMapping[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    """Return the fields that tell a client its limits; nothing when none was looked at."""
    standings: list[Standing] | None = scope.get(_STANDINGS_KEY)
    if not standings:
        return ()
    return (
        (_POLICY_HEADER, b", ".join(_policy(standing.limit) for standing in standings)),
        (
            _STANDING_HEADER,
            ", ".join(
                f'"{standing.limit.policy}";r={standing.remaining};t={standing.more_in_seconds}'
                for standing in standings
            ).encode(),
        ),
    )


@cache
def _policy(limit: Limit) -> bytes:
    return f'"{limit.policy}";q={limit.quota};w={limit.window_seconds}'.encode()


class Concurrency:
    """How many requests of each address this process has under way."""

    def __init__(self, allowed: int, ipv6_prefix_bits: int) -> None:
        self._allowed = allowed
        self._ipv6_prefix_bits = ipv6_prefix_bits
        self._under_way: dict[str, int] = {}

    def enter(self, client_address: str, limit: LimitRequests) -> str:
        """Count a request in and return what to `leave` with. Raises TooManyRequestsError."""
        network = network_of(client_address, self._ipv6_prefix_bits)
        under_way = self._under_way.get(network, 0)
        if 0 < self._allowed <= under_way:
            count_throttled(CONCURRENT)
            limit.concurrent(client_address)
            raise TooManyRequestsError(CONCURRENT, _CONCURRENT_RETRY_SECONDS)
        self._under_way[network] = under_way + 1
        return network

    def leave(self, network: str) -> None:
        """Count a request out."""
        under_way = self._under_way[network] - 1
        if under_way:
            self._under_way[network] = under_way
        else:
            del self._under_way[network]
