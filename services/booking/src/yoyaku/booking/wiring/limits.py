"""Rate limits: the quotas that all workers of this gateway share."""

from functools import cache

from yoyaku.booking.adapters.shared_memory.quotas import SharedQuotas
from yoyaku.booking.domain.rate import Limit
from yoyaku.booking.settings import RateLimitSettings
from yoyaku.booking.usecases.limit_requests import (
    ADDRESS,
    PERSON,
    SIGN_IN_ACCOUNT,
    SIGN_IN_ADDRESS,
    LimitRequests,
    Limits,
)
from yoyaku.booking.usecases.ports.chance import Digest
from yoyaku.booking.usecases.report_throttled import ReportThrottled
from yoyaku.observability.metrics import meter

_METER = meter("yoyaku.booking")
_evictions = _METER.create_counter(
    "yoyaku.requests.quota.evictions",
    unit="{key}",
    description="Quotas forgotten before they were whole again, because more keys came than are remembered",
)
_unrecorded = _METER.create_counter(
    "yoyaku.requests.throttled.unrecorded",
    unit="{request}",
    description="Requests refused by a limit that no event tells of: too many keys at once, or recording failed",
)


def count_unrecorded(number: int) -> None:
    """Count refusals that are on no record."""
    _unrecorded.add(number)


@cache
def shared_quotas(slots: int) -> SharedQuotas:
    """Return the table of this process tree: called before the workers are forked, it is the same one in each."""
    return SharedQuotas(slots)


def make_limit(settings: RateLimitSettings, throttled: ReportThrottled, digest: Digest) -> LimitRequests:
    """Put the limits together."""
    quotas = shared_quotas(settings.slots)
    quotas.on_eviction = lambda: _evictions.add(1)
    return LimitRequests(limits_of(settings), quotas, throttled, digest)


def limits_of(settings: RateLimitSettings) -> Limits:
    """Return the limits that the operator chose."""
    return Limits(
        address=_limit(ADDRESS, settings.address_quota, settings.address_window_seconds),
        person=_limit(PERSON, settings.person_quota, settings.person_window_seconds),
        sign_in_address=_limit(
            SIGN_IN_ADDRESS, settings.sign_in_address_quota, settings.sign_in_address_window_seconds
        ),
        sign_in_account=_limit(
            SIGN_IN_ACCOUNT, settings.sign_in_account_quota, settings.sign_in_account_window_seconds
        ),
        ipv6_prefix_bits=settings.ipv6_prefix_bits,
    )


def _limit(policy: str, quota: int, window_seconds: int) -> Limit | None:
    return Limit.of(policy, quota, window_seconds) if quota else None
