"""Refusals as RFC 9457 problems: one table from error class to status and code, one way to render them.

Invariant: a body never holds more than what the caller sent or may know; an error missing from the table is a bare 500
whose details are in the log under the trace id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from yoyaku.booking.domain import errors
from yoyaku.booking.domain.errors import BookingError, RuleBrokenError, Violation
from yoyaku.booking.entrypoints.http.schemas.problem import show_alternative
from yoyaku.booking.entrypoints.http.texts.catalogue import FIELD_TEXTS, PROBLEM_TEXTS
from yoyaku.booking.entrypoints.http.texts.language import negotiate
from yoyaku.observability.tracing import current_trace_id
from yoyaku.postgres.errors import (
    DatabaseUnavailableError,
    LockTimeoutError,
    PostgresError,
    SerializationError,
    StatementTimeoutError,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:yoyaku:problem:"
RETRY_AFTER_SECONDS: Final = "1"

_RETRY: Final[Mapping[str, str]] = {"Retry-After": RETRY_AFTER_SECONDS}
_BEARER: Final[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="yoyaku"'}


class Problem(Exception):  # noqa: N818  RFC 9457 calls it a problem
    """A refusal on its way out, before it knows the caller's language."""

    def __init__(
        self,
        status: int,
        code: str,
        *,
        violations: Sequence[Violation] = (),
        facts: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.violations = tuple(violations)
        self.facts = dict(facts or {})
        self.headers = dict(headers or {})

    def render(self, accept_language: str | None) -> Response:
        """Return the response in the caller's language."""
        language = negotiate(accept_language)
        text = PROBLEM_TEXTS[self.code][language]
        body: dict[str, Any] = {
            "type": f"{TYPE_PREFIX}{self.code}",
            "title": text.title,
            "status": self.status,
            "code": self.code,
            "trace_id": current_trace_id(),
        }
        if text.detail:
            body["detail"] = text.detail.format_map(self.facts)
        if self.violations:
            body["errors"] = [_rendered(violation, language) for violation in self.violations]
        body.update(self.facts)
        headers = {**self.headers, "Content-Language": language}
        return Response(to_json(body), self.status, headers, media_type=MEDIA_TYPE)


def _rendered(violation: Violation, language: str) -> dict[str, Any]:
    text = FIELD_TEXTS[violation.code][language]
    return {
        "field": violation.field,
        "code": violation.code,
        "message": text.format_map(violation.facts),
        **violation.facts,
    }


@dataclass(frozen=True, slots=True)
class Entry:
    """How an error leaves the gateway."""

    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    """Attributes of the error that the body carries."""


TABLE: Final[Mapping[type[BookingError], Entry]] = {
    errors.RuleBrokenError: Entry(422, "invalid-request"),
    errors.SignInFailedError: Entry(401, "sign-in-failed", _BEARER),
    errors.SignInAgainError: Entry(401, "sign-in-again", _BEARER),
    errors.NotAuthenticatedError: Entry(401, "not-authenticated", _BEARER),
    errors.TokenDeniedError: Entry(401, "not-authenticated", _BEARER),
    errors.NotPermittedError: Entry(403, "not-permitted", facts=("action",)),
    errors.NotFoundError: Entry(404, "not-found"),
    errors.ClosureNotFoundError: Entry(404, "closure-not-found", facts=("closure_id",)),
    errors.RoomNotFoundError: Entry(404, "room-not-found", facts=("room_id",)),
    errors.CalendarNotFoundError: Entry(404, "calendar-not-found"),
    errors.ReservationNotFoundError: Entry(404, "reservation-not-found", facts=("reservation_id",)),
    errors.PersonNotFoundError: Entry(404, "person-not-found", facts=("person_id",)),
    errors.NotInAuditLogError: Entry(404, "not-in-audit-log"),
    errors.SessionNotFoundError: Entry(404, "session-not-found", facts=("session_id",)),
    errors.RoomAlreadyReservedError: Entry(409, "room-already-reserved"),
    errors.RoomNotBookableError: Entry(409, "room-not-bookable"),
    errors.RoomAlreadyExistsError: Entry(409, "room-already-exists"),
    errors.RoomAlreadyRetiredError: Entry(409, "room-already-retired"),
    errors.RoomNotRetiredError: Entry(409, "room-not-retired"),
    errors.ClosureOverReservationsError: Entry(409, "closure-over-reservations", facts=("total",)),
    errors.TooManyClosuresError: Entry(409, "too-many-closures", facts=("max_closures",)),
    errors.PersonAlreadyExistsError: Entry(409, "person-already-exists"),
    errors.TooManyCalendarsError: Entry(409, "too-many-calendars", facts=("limit",)),
    errors.LastAdminError: Entry(409, "last-admin"),
    errors.RefreshSupersededError: Entry(409, "refresh-superseded"),
    errors.ReservationAlreadyCancelledError: Entry(409, "reservation-already-cancelled", facts=("cancelled_at",)),
    errors.ReservationNotCancelledError: Entry(409, "reservation-not-cancelled"),
    errors.ReservationEndedError: Entry(409, "reservation-ended", facts=("ended_at",)),
    errors.RequestInProgressError: Entry(409, "request-in-progress", _RETRY),
    errors.StaleVersionError: Entry(412, "precondition-failed", facts=("current_version",)),
    errors.KeyReusedError: Entry(422, "idempotency-key-reused"),
    errors.TooManyRequestsError: Entry(429, "too-many-requests", facts=("policy", "retry_after_seconds")),
    errors.BusyError: Entry(503, "busy", _RETRY),
    errors.ServiceUnavailableError: Entry(503, "service-unavailable", _RETRY, facts=("service",)),
    errors.ServiceRefusedError: Entry(502, "service-refused", facts=("service",)),
}

_TRY_AGAIN: Final = (DatabaseUnavailableError, LockTimeoutError, StatementTimeoutError, SerializationError)


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that says what happened; None for what nobody expected."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BookingError):
        return _from_table(error)
    if isinstance(error, PostgresError) and isinstance(error, _TRY_AGAIN):
        return Problem(503, "database-unavailable", headers=_RETRY)
    return None


def _from_table(error: BookingError) -> Problem | None:
    entry = TABLE.get(type(error))
    if entry is None:
        return None
    facts: dict[str, Any] = {}
    for name in entry.facts:
        value = getattr(error, name)
        facts[name] = value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
    if isinstance(error, errors.ServiceRefusedError):
        facts["service_code"] = error.code
    if isinstance(error, errors.RoomAlreadyReservedError):
        facts["alternatives"] = [show_alternative(alternative) for alternative in error.alternatives]
    if isinstance(error, errors.ClosureOverReservationsError):
        facts["reservations"] = [asdict(obstacle) for obstacle in error.reservations]
    headers = dict(entry.headers)
    if isinstance(error, errors.StaleVersionError):
        headers["ETag"] = f'"{error.current_version}"'
    if isinstance(error, errors.TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    violations = error.violations if isinstance(error, RuleBrokenError | errors.RoomNotBookableError) else ()
    return Problem(entry.status, entry.code, violations=violations, facts=facts, headers=headers)


def unexpected() -> Problem:
    """Return the bare 500: nothing but the trace id."""
    return Problem(500, "internal-error")
