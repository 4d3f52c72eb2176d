"""Every event by its type, and the way from a model to bytes and back.

Invariant: strict when producing (an unknown field cannot be written), tolerant when consuming (an unknown field is
ignored), so that a producer may be newer than its consumers.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from yoyaku.contracts.audit_v1 import (
    CheckpointCosigned,
    CheckpointSigned,
    CompletenessStated,
    EpochOpened,
    GapClosed,
    GapFound,
    IntegrityViolated,
    LogRead,
    LogVerified,
    PersonForgotten,
    SegmentDeleted,
    SegmentSealed,
)
from yoyaku.contracts.backup_v1 import BackupRunCompleted, BackupRunFailed, BackupRunStarted
from yoyaku.contracts.booking_v1 import (
    CalendarPublished,
    CalendarRevoked,
    ReservationCancelled,
    ReservationConfirmed,
    ReservationRescheduled,
    ReservationRestored,
    RoomChanged,
    RoomClosed,
    RoomCreated,
    RoomRetired,
)
from yoyaku.contracts.envelope import Event
from yoyaku.contracts.identity_v1 import (
    AccessDenied,
    KeyRevoked,
    KeyRotated,
    LoginFailed,
    LoginSucceeded,
    PersonChanged,
    PersonCreated,
    PersonDisabled,
    RequestThrottled,
    SessionRevoked,
    TokenRefreshed,
    TokenReused,
)
from yoyaku.contracts.security_v1 import BlockExpired, BlockImposed, IncidentOpened

_MODELS: Final[tuple[type[Event], ...]] = (
    RoomCreated,
    ReservationConfirmed,
    RoomChanged,
    RoomClosed,
    RoomRetired,
    ReservationCancelled,
    ReservationRescheduled,
    ReservationRestored,
    CalendarPublished,
    CalendarRevoked,
    PersonCreated,
    PersonChanged,
    PersonDisabled,
    LoginSucceeded,
    LoginFailed,
    TokenRefreshed,
    TokenReused,
    SessionRevoked,
    AccessDenied,
    RequestThrottled,
    KeyRotated,
    KeyRevoked,
    IncidentOpened,
    BlockImposed,
    BlockExpired,
    BackupRunStarted,
    BackupRunCompleted,
    BackupRunFailed,
    IntegrityViolated,
    CheckpointSigned,
    CheckpointCosigned,
    EpochOpened,
    SegmentSealed,
    SegmentDeleted,
    GapFound,
    GapClosed,
    CompletenessStated,
    PersonForgotten,
    LogRead,
    LogVerified,
)

EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType({model.TYPE: model for model in _MODELS})
"""The model of every event type."""

OWNERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "booking": "booking",
        "identity": "booking",
        "security": "security-detector",
        "backup": "backup-coordinator",
        "audit": "audit-log",
    }
)
"""Which service publishes the events whose type starts with a word."""


class ContractError(ValueError):
    """An event cannot be read.

    ContractError
    ├── UnknownEventTypeError   no model has this type
    └── InvalidEventError       the body does not fit the model of its type
    """


class UnknownEventTypeError(ContractError):
    """No model has this type; `type` says which."""

    def __init__(self, event_type: str) -> None:
        super().__init__(f"unknown event type: {event_type}")
        self.type = event_type


class InvalidEventError(ContractError):
    """A body does not fit its model; `problems` names each field and what is wrong, never the value."""

    def __init__(self, event_type: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"invalid {event_type}: {'; '.join(problems)}")
        self.type = event_type
        self.problems = problems


def dataschema(event_type: str) -> str:
    """Name the JSON Schema of an event's body: its `$id`, and the envelope's `dataschema`."""
    return f"urn:yoyaku:event:{event_type}"


def encode(event: Event) -> bytes:
    """Write an event's body as canonical JSON: UTF-8, keys sorted, no spaces; equal events give equal bytes."""
    body = event.model_dump(mode="json")
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(type: str, data: bytes) -> Event:  # noqa: A002 - the attribute's name in CloudEvents
    """Read an event's body; fields this version does not know are ignored.

    Raises UnknownEventTypeError, or InvalidEventError naming the fields.
    """
    model = EVENTS.get(type)
    if model is None:
        raise UnknownEventTypeError(type)
    try:
        return model.model_validate_json(data, extra="ignore")
    except ValidationError as invalid:
        raise InvalidEventError(type, _problems(invalid)) from None


def _problems(invalid: ValidationError) -> tuple[str, ...]:
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    return tuple(f"{'.'.join(str(part) for part in error['loc']) or 'body'}: {error['type']}" for error in errors)
