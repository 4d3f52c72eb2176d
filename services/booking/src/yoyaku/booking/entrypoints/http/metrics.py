"""The numbers a booking service is judged by; every series exists from the start, at zero."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from yoyaku.booking.domain.errors import (
    BookingError,
    BusyError,
    RefreshSupersededError,
    RequestInProgressError,
    RoomAlreadyReservedError,
    SignInAgainError,
    SignInFailedError,
)
from yoyaku.booking.domain.reservation import CancelReason
from yoyaku.booking.usecases.limit_requests import POLICIES
from yoyaku.contracts.identity_v1 import LoginFailureReason
from yoyaku.observability.metrics import meter

RESERVATIONS: Final = "yoyaku.reservations"
CANCELLATIONS: Final = "yoyaku.reservation.cancellations"
AUTH_ATTEMPTS: Final = "yoyaku.auth.attempts"
THROTTLED: Final = "yoyaku.requests.throttled"
AUTH_REFRESHES: Final = "yoyaku.auth.refreshes"
AUTH_DENIALS: Final = "yoyaku.auth.denials"

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
SUPERSEDED: Final = "superseded"
REUSED: Final = "reused"
BY_ROLE: Final = "role"
BY_REVOCATION: Final = "revocation"

_METER: Final = meter("yoyaku.booking")
_reservations = _METER.create_counter(
    RESERVATIONS,
    unit="{reservation}",
    description="Requests to place, move, cancel or restore a reservation, by outcome",
)
_cancellations = _METER.create_counter(
    CANCELLATIONS, unit="{reservation}", description="Reservations given up, by the reason that was said"
)
_throttled = _METER.create_counter(
    THROTTLED, unit="{request}", description="Requests refused because there were too many, by limit"
)
_attempts = _METER.create_counter(AUTH_ATTEMPTS, unit="{attempt}", description="Sign-ins, by outcome and reason")
_refreshes = _METER.create_counter(AUTH_REFRESHES, unit="{refresh}", description="Refreshes, by outcome")
_denials = _METER.create_counter(AUTH_DENIALS, unit="{request}", description="Refused requests of known people")

_RESERVATION_OUTCOMES: Final = {
    outcome: {"outcome": outcome}
    for outcome in (CONFIRMED, REPLAYED, RESCHEDULED, UNCHANGED, CANCELLED, RESTORED, CONFLICT, REFUSED, FAILED)
}
_REASONS: Final = {reason: {"reason": reason.value} for reason in CancelReason}
_POLICIES: Final = {policy: {"policy": policy} for policy in POLICIES}
_NO_REASON: Final = "none"
_REFUSALS: Final = tuple(reason.value for reason in LoginFailureReason if reason is not LoginFailureReason.BLOCKED)
_AUTH_OUTCOMES: Final = {
    (outcome, reason): {"outcome": outcome, "reason": reason}
    for outcome, reason in (
        *((outcome, _NO_REASON) for outcome in (SUCCEEDED, BUSY, FAILED)),
        *((REFUSED, reason) for reason in _REFUSALS),
    )
}
_REFRESH_OUTCOMES: Final = {
    outcome: {"outcome": outcome} for outcome in (SUCCEEDED, SUPERSEDED, REUSED, REFUSED, FAILED)
}
_DENIAL_CAUSES: Final = {cause: {"cause": cause} for cause in (BY_ROLE, BY_REVOCATION)}


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
    for attributes in _REFRESH_OUTCOMES.values():
        _refreshes.add(0, attributes)
    for attributes in _DENIAL_CAUSES.values():
        _denials.add(0, attributes)


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
    except SignInFailedError as error:
        _attempts.add(1, _AUTH_OUTCOMES[REFUSED, error.reason])
        raise
    except BusyError:
        _attempts.add(1, _AUTH_OUTCOMES[BUSY, _NO_REASON])
        raise
    except Exception:
        _attempts.add(1, _AUTH_OUTCOMES[FAILED, _NO_REASON])
        raise
    _attempts.add(1, _AUTH_OUTCOMES[SUCCEEDED, _NO_REASON])


@contextmanager
def refresh_counted() -> Iterator[None]:
    """Count one refresh by its outcome."""
    outcome = FAILED
    try:
        yield
        outcome = SUCCEEDED
    except RefreshSupersededError:
        outcome = SUPERSEDED
        raise
    except SignInAgainError as error:
        outcome = REUSED if error.reused else REFUSED
        raise
    finally:
        _refreshes.add(1, _REFRESH_OUTCOMES[outcome])


def count_denial(cause: str) -> None:
    """Count a request refused because of the role, or because its access token was revoked."""
    _denials.add(1, _DENIAL_CAUSES[cause])
