"""The numbers a booking service is judged by; every series exists from the start, at zero."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from yoyaku.booking.domain.errors import (
    BookingError,
    BusyError,
    RequestInProgressError,
    RoomAlreadyReservedError,
    SignInFailedError,
)
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.usecases.limit_requests import POLICIES
from yoyaku.observability.metrics import meter

RESERVATIONS: Final = "yoyaku.reservations"
CANCELLATIONS: Final = "yoyaku.reservation.cancellations"
AUTH_ATTEMPTS: Final = "yoyaku.auth.attempts"
THROTTLED: Final = "yoyaku.requests.throttled"

CONFIRMED: Final = "confirmed"
REPLAYED: Final = "replayed"
RESCHEDULED: Final = "rescheduled"
UNCHANGED: Final = "unchanged"
CANCELLED: Final = "cancelled"
RESTORED: Final = "restored"
CONFLICT: Final = "conflict"
REFUSED: Final = "refused"
FAILED: Final = "failed"
SUCCEEDED: Final = "succeeded"
BUSY: Final = "busy"

_METER: Final = meter("yoyaku.booking")
_reservations = _METER.create_counter(
    RESERVATIONS,
    unit="{reservation}",
    description="Requests to place, move, cancel or restore a reservation, by outcome",
)
_cancellations = _METER.create_counter(
    CANCELLATIONS, unit="{reservation}", description="Reservations given up, by the reason that was said"
)
_attempts = _METER.create_counter(AUTH_ATTEMPTS, unit="{attempt}", description="Sign-ins, by outcome")
_throttled = _METER.create_counter(
    THROTTLED, unit="{request}", description="Requests refused because there were too many, by limit"
)

_RESERVATION_OUTCOMES: Final = {
    outcome: {"outcome": outcome}
    for outcome in (CONFIRMED, REPLAYED, RESCHEDULED, UNCHANGED, CANCELLED, RESTORED, CONFLICT, REFUSED, FAILED)
}
_REASONS: Final = {reason: {"reason": reason.value} for reason in CancelReason}
_POLICIES: Final = {policy: {"policy": policy} for policy in POLICIES}
_AUTH_OUTCOMES: Final = {outcome: {"outcome": outcome} for outcome in (SUCCEEDED, REFUSED, BUSY, FAILED)}


def create_series() -> None:
    """Make every series, so that the first event of a kind is a step from zero and not a series without a past."""
    for attributes in _RESERVATION_OUTCOMES.values():
        _reservations.add(0, attributes)
    for attributes in _REASONS.values():
        _cancellations.add(0, attributes)
    for attributes in _AUTH_OUTCOMES.values():
        _attempts.add(0, attributes)
    for attributes in _POLICIES.values():
        _throttled.add(0, attributes)


def count_throttled(policy: str) -> None:
    """Count one request that was refused by a limit."""
    _throttled.add(1, _POLICIES[policy])


def count_reservation(outcome: str) -> None:
    """Count one request about a reservation."""
    _reservations.add(1, _RESERVATION_OUTCOMES[outcome])


def count_cancellations(reason: CancelReason, number: int = 1) -> None:
    """Count reservations that were given up for one reason."""
    _cancellations.add(number, _REASONS[reason])


@contextmanager
def refusals_counted() -> Iterator[None]:
    """Count a request about a reservation that came to nothing, by what stood against it."""
    try:
        yield
    except (RoomAlreadyReservedError, RequestInProgressError):
        count_reservation(CONFLICT)
        raise
    except BookingError:
        count_reservation(REFUSED)
        raise
    except Exception:
        count_reservation(FAILED)
        raise


@contextmanager
def attempt_counted() -> Iterator[None]:
    """Count one sign-in by its outcome."""
    try:
        yield
    except SignInFailedError:
        _attempts.add(1, _AUTH_OUTCOMES[REFUSED])
        raise
    except BusyError:
        _attempts.add(1, _AUTH_OUTCOMES[BUSY])
        raise
    except Exception:
        _attempts.add(1, _AUTH_OUTCOMES[FAILED])
        raise
    _attempts.add(1, _AUTH_OUTCOMES[SUCCEEDED])
