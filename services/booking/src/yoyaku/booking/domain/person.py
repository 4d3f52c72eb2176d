"""People who sign in, their roles, and the one table that says which role may do what.

Invariant: an action missing from `PERMISSIONS` is allowed to nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

DISPLAY_NAME_LENGTH: Final = 100


class Role(StrEnum):
    """What a person is trusted with."""

    USER = "USER"
    """Books rooms and manages the own reservations."""
    ADMIN = "ADMIN"
    """Manages rooms, people and everyone's reservations."""
    OPERATOR = "OPERATOR"
    """Reads operations, audit, security and backups; changes nothing."""


class Action(StrEnum):
    """Everything that needs a permission."""

    LIST_ROOMS = "room.list"
    CREATE_ROOM = "room.create"
    CHANGE_ROOM = "room.change"
    CLOSE_ROOM = "room.close"
    RETIRE_ROOM = "room.retire"
    PLACE_RESERVATION = "reservation.place"
    READ_RESERVATIONS = "reservation.read"
    READ_ANY_TITLE = "reservation.read-any-title"
    CANCEL_OWN_RESERVATION = "reservation.cancel-own"
    CANCEL_ANY_RESERVATION = "reservation.cancel-any"
    RESCHEDULE_OWN_RESERVATION = "reservation.reschedule-own"
    RESCHEDULE_ANY_RESERVATION = "reservation.reschedule-any"
    RESTORE_RESERVATION = "reservation.restore"
    READ_RESERVATION_HISTORY = "reservation.read-history"
    LIST_ANOTHERS_RESERVATIONS = "reservation.list-anothers"
    CREATE_PERSON = "person.create"
    USE_CALENDARS = "calendar.use"
    READ_PEOPLE = "person.read"
    CHANGE_PERSON = "person.change"
    DISABLE_PERSON = "person.disable"
    RESET_PASSWORD = "person.reset-password"  # noqa: S105  an action, no password
    READ_SELF = "self.read"
    CHANGE_OWN_PASSWORD = "self.change-password"  # noqa: S105  an action, no password
    END_OWN_SESSION = "self.end-session"
    READ_AUDIT = "audit.read"
    READ_BACKUPS = "backup.read"


_ALL: Final = frozenset(Role)
_BOOKERS: Final = frozenset({Role.USER, Role.ADMIN})
_ADMINS: Final = frozenset({Role.ADMIN})
_WATCHERS: Final = frozenset({Role.ADMIN, Role.OPERATOR})

PERMISSIONS: Final[Mapping[Action, frozenset[Role]]] = {
    Action.LIST_ROOMS: _ALL,
    Action.CREATE_ROOM: _ADMINS,
    Action.CHANGE_ROOM: _ADMINS,
    Action.CLOSE_ROOM: _ADMINS,
    Action.RETIRE_ROOM: _ADMINS,
    Action.PLACE_RESERVATION: _BOOKERS,
    Action.READ_RESERVATIONS: _ALL,
    Action.READ_ANY_TITLE: _ADMINS,
    Action.CANCEL_OWN_RESERVATION: _BOOKERS,
    Action.CANCEL_ANY_RESERVATION: _ADMINS,
    Action.RESCHEDULE_OWN_RESERVATION: _BOOKERS,
    Action.RESCHEDULE_ANY_RESERVATION: _ADMINS,
    Action.RESTORE_RESERVATION: _ADMINS,
    Action.READ_RESERVATION_HISTORY: _ADMINS,
    Action.LIST_ANOTHERS_RESERVATIONS: _WATCHERS,
    Action.CREATE_PERSON: _ADMINS,
    Action.USE_CALENDARS: _BOOKERS,
    Action.READ_PEOPLE: _ADMINS,
    Action.CHANGE_PERSON: _ADMINS,
    Action.DISABLE_PERSON: _ADMINS,
    Action.RESET_PASSWORD: _ADMINS,
    Action.READ_SELF: _ALL,
    Action.CHANGE_OWN_PASSWORD: _ALL,
    Action.END_OWN_SESSION: _ALL,
    Action.READ_AUDIT: _WATCHERS,
    Action.READ_BACKUPS: _WATCHERS,
}


def may(role: Role, action: Action) -> bool:
    """Say whether the role may do this."""
    return role in PERMISSIONS.get(action, frozenset())


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in. `user_id` is what is typed, `id` is what every record and event carries."""

    id: UUID
    user_id: str
    display_name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None
    not_before: datetime | None = None
    """Access tokens issued before this are refused."""
    version: int = 1
    """Grows with each change."""
