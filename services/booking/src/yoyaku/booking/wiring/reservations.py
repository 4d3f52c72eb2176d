"""Reservations."""

from dataclasses import dataclass
from datetime import timedelta

from yoyaku.booking.adapters.postgres.transactions import RememberedRooms
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.usecases.cancel_reservation import CancelReservation
from yoyaku.booking.usecases.get_reservation import GetReservation
from yoyaku.booking.usecases.list_reservations import ListReservations
from yoyaku.booking.usecases.place_reservation import PlaceReservation
from yoyaku.booking.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class Reservations:
    """The use cases about reservations."""

    place_reservation: PlaceReservation
    get_reservation: GetReservation
    list_reservations: ListReservations
    cancel_reservation: CancelReservation


def booking_policy(settings: GatewaySettings) -> BookingPolicy:
    """Return the booking window as configured."""
    ahead = settings.booking_days_ahead
    return BookingPolicy(
        back=timedelta(hours=settings.booking_hours_back), ahead=timedelta(days=ahead) if ahead is not None else None
    )


def make_reservations(parts: Parts) -> Reservations:
    """Put them together."""
    return Reservations(
        place_reservation=PlaceReservation(
            parts.transactions,
            RememberedRooms(parts.reads),
            parts.check,
            booking_policy(parts.settings),
            parts.make_id,
            parts.now,
        ),
        get_reservation=GetReservation(parts.reads, parts.check),
        list_reservations=ListReservations(parts.reads, parts.check),
        cancel_reservation=CancelReservation(parts.reads, parts.transactions, parts.check, parts.now),
    )
