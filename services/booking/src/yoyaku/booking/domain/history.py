"""What happened to a reservation: each change as the difference it made (BK-07).

Invariant: undoing the differences from the newest to the oldest gives back what was placed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from yoyaku.booking.domain.reservation import Act, Reservation

Value: TypeAlias = int | str | None


@dataclass(frozen=True, slots=True)
class Step:
    """What a field was and what it became."""

    before: Value
    after: Value


Differences: TypeAlias = Mapping[str, Step]
"""The fields that differ, in the order of `FIELDS`."""

FIELDS: Final = ("room_id", "starts_at", "ends_at", "title", "status")
"""The fields whose changes are remembered. Times are told in UTC, as RFC 3339."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, when and from where."""

    person_id: UUID
    at: datetime
    client_address: str | None


@dataclass(frozen=True, slots=True)
class Why:
    """What was said about a change."""

    reason: str | None = None
    comment: str | None = None


NO_REASON: Final = Why()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a reservation: who made which version of it, when, how, why and from where."""

    reservation_id: UUID
    version: int
    at: datetime
    by: UUID
    act: Act
    differences: Differences
    reason: str | None = None
    comment: str | None = None
    client_address: str | None = None


def fields_of(reservation: Reservation) -> dict[str, Value]:
    """Return the remembered fields as history tells them."""
    interval = reservation.interval
    return {
        "room_id": reservation.room_id,
        "starts_at": _told(interval.starts_at),
        "ends_at": _told(interval.ends_at),
        "title": reservation.title,
        "status": reservation.status.value,
    }


def differences(before: Reservation, after: Reservation) -> dict[str, Step]:
    """Return what differs between two states of a reservation."""
    old, new = fields_of(before), fields_of(after)
    return {name: Step(old[name], new[name]) for name in FIELDS if old[name] != new[name]}


def recorded(before: Reservation, after: Reservation, act: Act, by: Author, why: Why = NO_REASON) -> Change:
    """Return the line of history that a change leaves."""
    return Change(
        reservation_id=after.id,
        version=after.version,
        at=by.at,
        by=by.person_id,
        act=act,
        differences=differences(before, after),
        reason=why.reason,
        comment=why.comment,
        client_address=by.client_address,
    )


def undone(fields: Mapping[str, Value], changes: Mapping[str, Step]) -> dict[str, Value]:
    """Return the fields as they were before the changes."""
    return {name: changes[name].before if name in changes else value for name, value in fields.items()}


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
