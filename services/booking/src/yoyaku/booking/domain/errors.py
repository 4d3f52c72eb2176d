"""Every fact the booking service refuses with.

BookingError
├── RuleBrokenError                 the request breaks rules; each names a field (422)
├── SignInFailedError               the user id and password do not belong together (401)
├── SignInAgainError                the refresh token buys nothing any more (401)
├── NotAuthenticatedError           no valid access token (401)
│   └── TokenDeniedError            it was valid until its session or person was ended
├── NotPermittedError               the role may not do this (403)
├── NotFoundError                   (404)
│   ├── CalendarNotFoundError       never was, was revoked, or belongs to somebody else
│   ├── RoomNotFoundError
│   ├── ClosureNotFoundError
│   ├── ReservationNotFoundError
│   ├── PersonNotFoundError
│   ├── NotInAuditLogError          no such entry, checkpoint or file, or not any more
│   └── SessionNotFoundError
├── ConflictError                   (409)
│   ├── RoomAlreadyReservedError    another live reservation overlaps
│   ├── RoomNotBookableError        the room takes no bookings then; each rule is named
│   ├── RoomAlreadyExistsError
│   ├── RoomAlreadyRetiredError
│   ├── RoomNotRetiredError
│   ├── ClosureOverReservationsError    accepted reservations lie where a room is to be closed
│   ├── TooManyClosuresError
│   ├── PersonAlreadyExistsError
│   ├── TooManyCalendarsError
│   ├── LastAdminError              nobody could manage people any more
│   ├── RefreshSupersededError      another tab has just got the new tokens
│   ├── ReservationAlreadyCancelledError
│   ├── ReservationNotCancelledError
│   ├── ReservationEndedError
│   └── RequestInProgressError      a twin with the same Idempotency-Key is still running
├── StaleVersionError               the change was built on another version (412)
├── KeyReusedError                  the Idempotency-Key was used for another request (422)
├── TooManyRequestsError            one client asks too often, or for too much at once (429)
├── BusyError                       more sign-ins wait than are worth queueing (503)
├── ServiceUnavailableError         the service that would know the answer does not answer (503)
└── ServiceRefusedError             the service that would know refused the question (502)

Errors carry facts as attributes and know nothing of HTTP.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from yoyaku.booking.domain.alternative import Alternative


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: the field that broke it, a stable code, and the numbers that would pass."""

    field: str
    code: str
    facts: Mapping[str, int | str] = dataclasses.field(default_factory=dict)


class BookingError(Exception):
    """A request the booking service refuses, and why."""


class RuleBrokenError(BookingError):
    """Rules are broken; all of them are named at once."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(", ".join(f"{v.field}: {v.code}" for v in violations))
        self.violations = tuple(violations)


class SignInFailedError(BookingError):
    """The user id and the password do not belong together; nobody learns which was wrong.

    `reason` is for the numbers of the operator and leaves the process in no answer.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason


class SignInAgainError(BookingError):
    """The refresh token buys nothing any more; nobody learns why.

    `reused` is for the numbers of the operator and leaves the process in no answer.
    """

    def __init__(self, *, reused: bool = False) -> None:
        super().__init__()
        self.reused = reused


class NotAuthenticatedError(BookingError):
    """There is no access token, or it is not valid now."""


class TokenDeniedError(NotAuthenticatedError):
    """The access token was good and is refused by now: logged out, disabled, another password or role."""


class NotPermittedError(BookingError):
    """The person is known but the role may not do this."""

    def __init__(self, action: str) -> None:
        super().__init__(action)
        self.action = action


class NotFoundError(BookingError):
    """There is no such thing."""


class RoomNotFoundError(NotFoundError):
    """There is no room of this id."""

    def __init__(self, room_id: int) -> None:
        super().__init__(str(room_id))
        self.room_id = room_id


class ClosureNotFoundError(NotFoundError):
    """The room has no closure of this id."""

    def __init__(self, closure_id: str) -> None:
        super().__init__(closure_id)
        self.closure_id = closure_id


class CalendarNotFoundError(NotFoundError):
    """There is no such calendar feed, or not for whoever asks."""


class ReservationNotFoundError(NotFoundError):
    """There is no reservation of this id."""

    def __init__(self, reservation_id: str) -> None:
        super().__init__(reservation_id)
        self.reservation_id = reservation_id


class PersonNotFoundError(NotFoundError):
    """There is no person of this id."""

    def __init__(self, person_id: str) -> None:
        super().__init__(person_id)
        self.person_id = person_id


class NotInAuditLogError(NotFoundError):
    """The audit log has no such entry, checkpoint or file."""


class SessionNotFoundError(NotFoundError):
    """The caller has no open session of this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class ConflictError(BookingError):
    """The request contradicts what is there already."""


class RoomAlreadyReservedError(ConflictError):
    """Another live reservation of the room overlaps, buffers included; `alternatives` were free a moment ago."""

    def __init__(self, alternatives: Sequence[Alternative] = ()) -> None:
        super().__init__(f"{len(alternatives)} alternatives")
        self.alternatives = tuple(alternatives)


class RoomNotBookableError(ConflictError):
    """The room takes no bookings at that time; `violations` says why, as far as that is known."""

    def __init__(self, violations: Sequence[Violation] = ()) -> None:
        super().__init__(", ".join(f"{v.field}: {v.code}" for v in violations))
        self.violations = tuple(violations)


class RoomAlreadyExistsError(ConflictError):
    """The site already has a room of this name."""


class RoomAlreadyRetiredError(ConflictError):
    """The room was retired before."""


class RoomNotRetiredError(ConflictError):
    """The room is in use."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An accepted reservation that stands in the way."""

    reservation_id: UUID
    starts_at: datetime
    ends_at: datetime


class ClosureOverReservationsError(ConflictError):
    """Accepted reservations lie where the room is to be closed: `total` of them, the first ones in `reservations`."""

    def __init__(self, reservations: Sequence[Obstacle], total: int) -> None:
        super().__init__(str(total))
        self.reservations = tuple(reservations)
        self.total = total


class TooManyClosuresError(ConflictError):
    """As many closures of the room are ahead as may be."""

    def __init__(self, max_closures: int) -> None:
        super().__init__(str(max_closures))
        self.max_closures = max_closures


class PersonAlreadyExistsError(ConflictError):
    """The user id is taken."""


class TooManyCalendarsError(ConflictError):
    """The person has as many calendar feeds as are allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(str(limit))
        self.limit = limit


class LastAdminError(ConflictError):
    """Without this ADMIN nobody could manage people any more."""


class RefreshSupersededError(ConflictError):
    """The refresh token was used a moment ago: another tab has the new tokens. Nobody is signed out."""


class ReservationAlreadyCancelledError(ConflictError):
    """The reservation was cancelled before."""

    def __init__(self, cancelled_at: datetime) -> None:
        super().__init__(cancelled_at.isoformat())
        self.cancelled_at = cancelled_at


class ReservationNotCancelledError(ConflictError):
    """The reservation holds its room: there is nothing to restore."""


class ReservationEndedError(ConflictError):
    """The reservation is over; what happened is not changed."""

    def __init__(self, ended_at: datetime) -> None:
        super().__init__(ended_at.isoformat())
        self.ended_at = ended_at


class RequestInProgressError(ConflictError):
    """A request with the same Idempotency-Key is still being worked on."""


class StaleVersionError(BookingError):
    """The change was built on another version than the one stored; somebody was faster."""

    def __init__(self, current_version: int) -> None:
        super().__init__(str(current_version))
        self.current_version = current_version


class KeyReusedError(BookingError):
    """The Idempotency-Key was used before, for a request with another body."""


class TooManyRequestsError(BookingError):
    """Requests of one client came faster than its quota refills, or too many at once."""

    def __init__(self, policy: str, retry_after_seconds: int) -> None:
        super().__init__(f"{policy}: {retry_after_seconds} s")
        self.policy = policy
        self.retry_after_seconds = retry_after_seconds


class BusyError(BookingError):
    """The service has more of this work waiting than it can do in good time."""


class ServiceUnavailableError(BookingError):
    """The service that would know the answer does not answer."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service


class ServiceRefusedError(BookingError):
    """The service that would know refused the question, with a code of its own."""

    def __init__(self, service: str, code: str) -> None:
        super().__init__(f"{service}: {code}")
        self.service = service
        self.code = code
