"""An event as it comes from a stream: checked once, readable or not, with the span of its own handling.

Invariant: `problem` is `None` exactly when `event()` returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from nats.aio.msg import Msg
from opentelemetry.context import Context

from yoyaku.contracts.envelope import Envelope, EnvelopeError, Event, from_headers
from yoyaku.contracts.registry import InvalidEventError, UnknownEventTypeError, decode

UNREADABLE: Final = "unreadable"
"""What stands for the type of an event whose headers cannot be read."""


class UnreadableEventError(Exception):
    """An event cannot be understood: headers missing or wrong, unknown type or version, or a body that does not fit."""


class UnknownVersionError(UnreadableEventError):
    """The type is not known to this process; one that was deployed later may know it."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One delivery of one event. `received_at` is aware UTC; `context` holds the span of handling this event."""

    envelope: Envelope | None
    problem: str | None
    headers: Mapping[str, str]
    data: bytes
    subject: str
    stream: str
    stream_sequence: int
    delivered_count: int
    received_at: datetime
    context: Context
    decoded: Event | None = field(default=None, repr=False)
    unknown_type: bool = False

    def event(self) -> Event:
        """Return the event. Raises UnreadableEventError, or its subclass UnknownVersionError, with the problem."""
        if self.decoded is not None:
            return self.decoded
        kind = UnknownVersionError if self.unknown_type else UnreadableEventError
        raise kind(self.problem or "unreadable")

    @property
    def type(self) -> str:
        """Give the event's type, or `unreadable` when even its headers cannot be read."""
        return self.envelope.type if self.envelope is not None else UNREADABLE


def receive(message: Msg, start_handling: Callable[[str], Context], *, now: datetime | None = None) -> ReceivedEvent:
    """Read a message of a stream; never raises for what the message holds.

    `start_handling` is called once with the event's type, or `unreadable`, and gives the context of its handling.
    """
    metadata = message.metadata
    headers = message.headers or {}
    envelope, event, problem, unknown = _read(headers, message.data)
    return ReceivedEvent(
        envelope=envelope,
        problem=problem,
        headers=headers,
        data=message.data,
        subject=message.subject,
        stream=metadata.stream,
        stream_sequence=metadata.sequence.stream,
        delivered_count=metadata.num_delivered,
        received_at=now or datetime.now(UTC),
        context=start_handling(envelope.type if envelope is not None else UNREADABLE),
        decoded=event,
        unknown_type=unknown,
    )


def _read(headers: Mapping[str, str], data: bytes) -> tuple[Envelope | None, Event | None, str | None, bool]:
    try:
        envelope = from_headers(headers)
    except EnvelopeError as error:
        return None, None, str(error), False
    try:
        return envelope, decode(envelope.type, data), None, False
    except UnknownEventTypeError as error:
        return envelope, None, str(error), True
    except InvalidEventError as error:
        return envelope, None, str(error), False
