"""Reservations."""

from dataclasses import dataclass
from datetime import timedelta

from yoyaku.booking.adapters.postgres.transactions import RememberedRooms
from yoyaku.booking.domain.policy import BookingPolicy
from yoyaku.booking.settings import GatewaySettings
from yoyaku.booking.usecases.cancel_reservation import CancelReservation
from yoyaku.booking.usecases.get_reservation import GetReservation
from yoyaku.booking.usecases.hold_again import Again
from yoyaku.booking.usecases.list_my_reservations import ListMyReservations
from yoyaku.booking.usecases.list_reservations import ListReservations
from yoyaku.booking.usecases.place_reservation import PlaceReservation
from yoyaku.booking.usecases.reschedule_reservation import RescheduleReservation
from yoyaku.booking.usecases.restore_reservation import RestoreReservation
from yoyaku.booking.usecases.show_history import ShowHistory
from yoyaku.booking.usecases.suggest_alternatives import SuggestAlternatives
from yoyaku.booking.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class Reservations:
    """The use cases about reservations."""

    place_reservation: PlaceReservation
    get_reservation: GetReservation
    list_reservations: ListReservations
    list_my_reservations: ListMyReservations
    cancel_reservation: CancelReservation
    reschedule_reservation: RescheduleReservation
    restore_reservation: RestoreReservation
    show_history: ShowHistory


def booking_policy(settings: GatewaySettings) -> BookingPolicy:
    """Return the booking window as configured."""
    ahead = settings.booking_days_ahead
    return BookingPolicy(
        back=timedelta(hours=settings.booking_hours_back), ahead=timedelta(days=ahead) if ahead is not None else None
    )


def make_reservations(parts: Parts) -> Reservations:
    """Put them together."""
    rooms = RememberedRooms(parts.reads)
    policy = booking_policy(parts.settings)
    again = Again(parts.reads, rooms)
    suggest = SuggestAlternatives(parts.reads, policy, parts.now)
    reads, transactions, check, now = parts.reads, parts.transactions, parts.check, parts.now
    return Reservations(
        place_reservation=PlaceReservation(transactions, rooms, check, policy, parts.make_id, now, suggest),
        get_reservation=GetReservation(reads, check),
        list_reservations=ListReservations(reads, check),
        list_my_reservations=ListMyReservations(reads, check),
        cancel_reservation=CancelReservation(reads, transactions, check, now),
        reschedule_reservation=RescheduleReservation(again, transactions, check, policy, now, suggest),
        restore_reservation=RestoreReservation(again, transactions, check, policy, now),
        show_history=ShowHistory(reads, check),
    )
