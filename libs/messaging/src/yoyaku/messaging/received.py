"""An event as it comes from a stream: checked once, readable or not, with the span of its own handling.

Invariant: `problem` is `None` exactly when `event()` returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nats.aio.msg import Msg
from opentelemetry.context import Context

from yoyaku.contracts.envelope import Envelope, EnvelopeError, Event, from_headers
from yoyaku.contracts.registry import InvalidEventError, UnknownEventTypeError, decode


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

    def with_context(self, context: Context) -> "ReceivedEvent":
        """Return the same delivery with another context."""
        return replace(self, context=context)

    @property
    def type(self) -> str:
        """Give the event's type, or `unreadable` when even its headers cannot be read."""
        return self.envelope.type if self.envelope is not None else "unreadable"


def receive(message: Msg, context: Context, *, now: datetime | None = None) -> ReceivedEvent:
    """Read a message of a stream; never raises for what the message holds."""
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
        context=context,
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
