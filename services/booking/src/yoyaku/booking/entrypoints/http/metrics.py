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
from yoyaku.observability.metrics import meter

RESERVATIONS: Final = "yoyaku.reservations"
AUTH_ATTEMPTS: Final = "yoyaku.auth.attempts"

CONFIRMED: Final = "confirmed"
REPLAYED: Final = "replayed"
CANCELLED: Final = "cancelled"
CONFLICT: Final = "conflict"
REFUSED: Final = "refused"
FAILED: Final = "failed"
SUCCEEDED: Final = "succeeded"
BUSY: Final = "busy"

_METER: Final = meter("yoyaku.booking")
_reservations = _METER.create_counter(
    RESERVATIONS, unit="{reservation}", description="Requests to place or cancel a reservation, by outcome"
)
_attempts = _METER.create_counter(AUTH_ATTEMPTS, unit="{attempt}", description="Sign-ins, by outcome")

_RESERVATION_OUTCOMES: Final = {
    outcome: {"outcome": outcome} for outcome in (CONFIRMED, REPLAYED, CANCELLED, CONFLICT, REFUSED, FAILED)
}
_AUTH_OUTCOMES: Final = {outcome: {"outcome": outcome} for outcome in (SUCCEEDED, REFUSED, BUSY, FAILED)}


def create_series() -> None:
    """Make every series, so that the first event of a kind is a step from zero and not a series without a past."""
    for attributes in _RESERVATION_OUTCOMES.values():
        _reservations.add(0, attributes)
    for attributes in _AUTH_OUTCOMES.values():
        _attempts.add(0, attributes)


def count_reservation(outcome: str) -> None:
    """Count one request about a reservation."""
    _reservations.add(1, _RESERVATION_OUTCOMES[outcome])


@contextmanager
def refusals_counted() -> Iterator[None]:
    """Count a reservation that was not made or cancelled by what stood against it."""
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
