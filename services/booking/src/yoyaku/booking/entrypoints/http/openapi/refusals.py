"""Every code that a refusal may carry, with its status, and which of them a route may answer with.

Invariant: a code has one status for ever. A test compares this with the table of problems and with the sources.
"""

from collections.abc import Mapping
from typing import Any, Final

from yoyaku.booking.entrypoints.http.problems import TABLE

_OF_THE_EDGE: Final[Mapping[str, int]] = {
    "malformed-json": 400,
    "body-incomplete": 400,
    "bad-host": 400,
    "address-blocked": 403,
    "origin-not-allowed": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "body-too-slow": 408,
    "body-too-large": 413,
    "address-too-long": 414,
    "unsupported-media-type": 415,
    "wrong-host": 421,
    "invalid-request": 422,
    "precondition-required": 428,
    "headers-too-large": 431,
    "internal-error": 500,
    "database-unavailable": 503,
    "deadline-exceeded": 503,
}
"""What is refused without an error of the domain."""

STATUSES: Final[Mapping[str, int]] = {**{entry.code: entry.status for entry in TABLE.values()}, **_OF_THE_EDGE}
"""The status of every code."""

_NEED_A_BODY: Final = frozenset({"malformed-json", "body-incomplete"})
_NEED_A_TOKEN: Final = frozenset({"not-permitted", "not-authenticated"})
_NEED_A_SERVICE: Final = frozenset({"service-unavailable", "service-refused"})
_ONLY_FOR: Final[Mapping[str, str | tuple[str, ...]]] = {
    "sign-in-failed": "logIn",
    "sign-in-again": "refreshTokens",
    "refresh-superseded": "refreshTokens",
    "person-already-exists": "createUser",
    "room-already-retired": "retireRoom",
    "closure-over-reservations": ("closeRoom", "retireRoom"),
    "closure-not-found": "openRoomAgain",
    "too-many-closures": "closeRoom",
    "room-not-retired": "reinstateRoom",
    "reservation-not-cancelled": "restoreReservation",
}
"""Codes that only these operations answer with."""
_THINGS: Final[Mapping[str, str]] = {
    "room-": "room",
    "reservation-": "reservation",
    "person-": "user",
    "calendar-": "calendar",
    "last-admin": "user",
}
_HASHES: Final = frozenset({"busy"})
_KEPT: Final = frozenset({"request-in-progress", "idempotency-key-reused"})


def codes_of(operation: Mapping[str, Any], status: int) -> list[str]:
    """Return the codes that an operation may answer a status with, sorted; never none."""
    every = sorted(code for code, of in STATUSES.items() if of == status)
    return [code for code in every if _may_answer(operation, code)] or every


def _may_answer(operation: Mapping[str, Any], code: str) -> bool:
    name = operation.get("operationId", "")
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    if code in _ONLY_FOR:
        return name in (_ONLY_FOR[code] if isinstance(_ONLY_FOR[code], tuple) else (_ONLY_FOR[code],))
    needs = (
        (_NEED_A_BODY, "requestBody" in operation),
        (_NEED_A_TOKEN, "security" in operation),
        (_NEED_A_SERVICE, bool({"Audit", "Backups", "Security"} & set(operation.get("tags", ())))),
        (_HASHES, "password" in name.lower() or name in {"logIn", "createUser"}),
        (_KEPT, "Idempotency-Key" in parameters),
    )
    for codes, is_met in needs:
        if code in codes:
            return is_met
    return _speaks_of(name, code)


def _speaks_of(name: str, code: str) -> bool:
    for beginning, thing in _THINGS.items():
        if code.startswith(beginning):
            # Placing and moving a reservation is about a room too.
            return thing in name.lower() or (thing == "room" and name in {"placeReservation", "rescheduleReservation"})
    return code != "origin-not-allowed"
